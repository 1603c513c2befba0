"""Audio, video, tables, meshes, boxes and masks in their stored form.

Each module has a function for the call, which checks and copies what the user hands in, and one for the encoder thread,
which encodes the copy. Limits are those of `docs/limits.md`.
"""

"""Modules that convert audio, video, tables, meshes, boxes and masks to the form in which they are stored.

Each module has two functions. The first checks and copies the user's data during the call. The second encodes the copy
on the encoder thread. `docs/limits.md` lists the limits.
"""

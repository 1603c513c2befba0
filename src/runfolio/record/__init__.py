"""Code that writes and reads the record of a run: a run folder, as specified in `docs/format.md`.

Other packages contain the code for training and for tables.
"""

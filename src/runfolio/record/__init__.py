"""Code that writes and reads the records of runs. A record is a run folder as specified in `docs/format.md`.

Other packages contain the code for training and for tables.
"""

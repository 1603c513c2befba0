"""What a training computes of its images and keeps on disk for later ones: features, and decoded pixels.

All of it can be made again. `rows.py` is how it lies there, `room.py` how much of it may, `keys.py` what it belongs to;
`features.py` and `pixels.py` are what training uses.
"""

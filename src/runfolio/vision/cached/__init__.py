"""What a training computes of its images and keeps on disk for later ones: features, and decoded pixels.

All of it can be made again. `rows.py` is how it lies there, `room.py` how much of it may, `keys.py` what it belongs to;
`features.py` and `pixels.py` are what training uses. With a frozen backbone:

    cache = FeatureCache(model, spec, transform, precision=...)     # or CannotCache: go on through the network
    images = cache.of(source.train, chosen)                         # a Dataset, in the place of PreparedImages
    with cache.cut.head_alone(model):                               # model(features) instead of model(images)
        ...

Any copy of the network, such as an average of its weights, takes features by `head_alone` too. Where the backbone
trains, `CachedPixels(images, transform, chosen).pixels(place)` gives the pixels of image files, decoded once.
"""

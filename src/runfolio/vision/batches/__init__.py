"""Batches of prepared images: loaders, augmentation, and the cache of decoded pixels."""

"""Checkpoints: manifest, state codec, retention and loading."""

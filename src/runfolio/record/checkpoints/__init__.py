"""Checkpoints: manifests, state encoding, retention and loading."""

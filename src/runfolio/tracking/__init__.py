"""Package that records runs with `init` and `Run`. Torch, NumPy and Arrow are imported only when a run needs them."""

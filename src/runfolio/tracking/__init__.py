"""Writing of runs: `init` and `Run`. Torch, NumPy and Arrow are imported only when a run needs them."""

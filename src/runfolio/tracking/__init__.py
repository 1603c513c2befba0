"""The writing side: `init` and `Run`. Imports neither torch, NumPy nor Arrow until a run needs them."""

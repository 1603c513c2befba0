"""Heads of a series that see the same features in the same order are trained side by side, and recorded one by one.

`heads.py` is the arithmetic, `optimizers.py` torch's optimizers over many heads, `group.py` which runs of a series
belong together, `following.py` how a run takes over what was trained for it.
"""

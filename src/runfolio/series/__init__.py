"""Series of experiments: a grid of settings, run one after another, each of them once.

`read_series` reads a file, `expand` makes checked runs of it, `execute` runs those the store does not hold.
"""

from runfolio.series.grid import PlannedRun, expand, fingerprint
from runfolio.series.runner import SeriesReport, SeriesRunOutcome, execute
from runfolio.series.spec import Series, read_series
from runfolio.series.targets import Membership, Target, load_target

__all__ = [
    "Membership",
    "PlannedRun",
    "Series",
    "SeriesReport",
    "SeriesRunOutcome",
    "Target",
    "execute",
    "expand",
    "fingerprint",
    "load_target",
    "read_series",
]

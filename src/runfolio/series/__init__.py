"""Series of runs over a grid of settings. Each combination is trained once.

`read_series` reads the definition, `expand` returns its runs, and `execute` trains the runs that are not finished.
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

"""Points of one metric as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runfolio.query.arrow_frame import ArrowFrame

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Curve(ArrowFrame):
    """Current points of one metric of a run, in order of arrival. Points that a resumed run has replaced are left out.
    All arrays have the shape [n]."""

    metric: str
    steps: NDArray[np.int64]
    times: NDArray[np.float64]
    """Times in seconds since 1970 UTC, like `time.time()`, exact to the microsecond."""
    values: NDArray[np.float64]
    """Logged values, including NaN and infinities."""
    x: NDArray[np.float64]
    """Position of each point on the x axis, or NaN if unknown."""
    x_name: str
    """Name of the x axis: `step`, `time` (seconds since the start, without pauses), or a metric."""

    def __len__(self) -> int:
        return len(self.steps)

    def to_arrow(self) -> pa.Table:
        """Return a table with one row per point and the columns `step`, `time` (UTC), `x` and `value`."""
        import numpy as np
        import pyarrow as pa

        from runfolio.record.points import arrow_arrays

        times = arrow_arrays.times(np.rint(self.times * 1e6).astype(np.int64))
        numbers = [arrow_arrays.from_numpy(array) for array in (self.steps, self.x, self.values)]
        return pa.table({"step": numbers[0], "time": times, "x": numbers[1], "value": numbers[2]})

    def thinned(self, columns: int) -> Curve:
        """Return the points that are visible in a plot with the given number of pixel columns, ordered by x.

        The result contains the first, last, lowest and highest points of each pixel column (the M4 algorithm).
        Therefore every spike remains visible. Points without an x value are left out.
        """
        import numpy as np

        from runfolio.query.thinning import thinned_indices

        order = np.argsort(self.x, kind="stable")
        order = order[np.isfinite(self.x[order])]
        kept = order[thinned_indices(self.x[order], self.values[order], columns)]
        arrays = {name: getattr(self, name)[kept] for name in ("steps", "times", "values", "x")}
        return replace(self, **arrays)

    def _repr_html_(self) -> str:
        """Return a small plot that notebooks display."""
        from runfolio.query.html_table import escaped
        from runfolio.query.sparkline import WIDTH, sparkline

        thinned = self.thinned(WIDTH)
        last = f"last {escaped(float(self.values[-1]))} " if len(self) else ""
        label = f"{escaped(self.metric)}: {last}({len(self):,} points over {escaped(self.x_name)})"
        return f"<div>{sparkline(thinned.x, thinned.values)}<br>{label}</div>"

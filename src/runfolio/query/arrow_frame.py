"""Base class for tables that are built with Arrow and can be converted to pandas and Polars."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from runfolio.errors import MissingExtra

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


class ArrowFrame(ABC):
    """Data that can be converted to a table. Each conversion reads the data again."""

    @abstractmethod
    def to_arrow(self) -> pa.Table:
        """Return the data as an Arrow table. Times are in UTC, and repeated strings are dictionary-encoded."""

    def to_pandas(self) -> pd.DataFrame:
        """Return the data as a pandas data frame. Repeated strings are categoricals.

        Raises:
            MissingExtra: pandas is not installed.
        """
        _check_extra("pandas")
        return self.to_arrow().to_pandas()

    def to_polars(self) -> pl.DataFrame:
        """Return the data as a Polars data frame. Repeated strings are categoricals.

        Raises:
            MissingExtra: Polars is not installed.
        """
        polars: Any = _check_extra("polars")
        return polars.from_arrow(self.to_arrow())


def _check_extra(name: str) -> Any:
    """Import `pandas` or `polars`. Call this function before the data is read, since the package may be missing."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingExtra(name, name, f"to_{name}()") from None

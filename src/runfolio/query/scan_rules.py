"""Rules of a scan: functions that derive facts from the content of a run."""

from __future__ import annotations

from runfolio.query.index.entries import ScannedRun
from runfolio.query.index.overview_reader import OverviewReader
from runfolio.query.index.scan import ScanRules
from runfolio.query.selection.metric_names import main_metrics


def _reason(run: ScannedRun) -> str | None:
    from runfolio.query.explain.run_end import reason  # needed only for changed runs

    return reason(run)


def scan_rules() -> ScanRules:
    """Return the rules for the scans of one store: functions that derive facts from runs. The functions keep summaries
    of running runs in memory."""
    return ScanRules(_reason, OverviewReader(main_metrics).read)

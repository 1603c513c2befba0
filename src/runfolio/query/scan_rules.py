"""Functions with which a scan derives facts from the content of a run."""

from __future__ import annotations

from runfolio.query.index.entries import ScannedRun
from runfolio.query.index.scan import ScanRules
from runfolio.query.selection.metric_names import main_metrics


def _reason(run: ScannedRun) -> str | None:
    from runfolio.query.explain.run_end import reason  # only for changed runs

    return reason(run)


RULES = ScanRules(_reason, main_metrics)

"""Content of TensorBoard's HParams tab: the settings of a run, and the columns of the table."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from runfolio.events import messages as m

START, END, EXPERIMENT = ("_hparams_/session_start_info", "_hparams_/session_end_info", "_hparams_/experiment")


def session_start(params: Mapping[str, Any], group: str, started_s: float) -> m.HparamsData:
    entries = [m.HparamEntry(name, _hparam(value)) for name, value in params.items()]
    return m.HparamsData(session_start_info=m.SessionStart(entries, group_name=group, start_time_secs=started_s))


def session_end(ended_s: float, *, is_success: bool) -> m.HparamsData:
    return m.HparamsData(session_end_info=m.SessionEnd(m.STATUS_SUCCESS if is_success else m.STATUS_FAILURE, ended_s))


def experiment(params: Mapping[str, Any], varied: Iterable[str], metrics: Iterable[tuple[str, str]]) -> m.HparamsData:
    """Return the columns of the table.

    Args:
        params: Settings of the run by name.
        varied: Names of the settings that differ between runs. Their columns come first.
        metrics: Tag and displayed name of each metric, the most important metric first.
    """
    different = set(varied)
    infos = [_info(name, _hparam(value), differs=name in different) for name, value in params.items()]
    infos.sort(key=lambda info: not info.differs)
    columns = [m.MetricInfo(m.MetricName(tag=tag), name) for tag, name in metrics]
    return m.HparamsData(experiment=m.Experiment(hparam_infos=infos, metric_infos=columns))


def _info(name: str, value: m.Hparam, *, differs: bool) -> m.HparamInfo:
    """Return the column of a setting. It has no domain, because other runs may have other values."""
    if value.bool_value is not None:
        kind = m.BOOL_TYPE
    else:
        kind = m.STRING_TYPE if value.number_value is None else m.FLOAT64_TYPE
    return m.HparamInfo(name, type=kind, differs=differs)


def _hparam(value: Any) -> m.Hparam:
    """Encode a value of the config. Non-finite numbers become strings, because TensorBoard's JSON does not support
    them."""
    if isinstance(value, bool):
        return m.Hparam(bool_value=value)
    if isinstance(value, (int, float)) and math.isfinite(value):
        return m.Hparam(number_value=float(value))
    return m.Hparam(string_value=value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

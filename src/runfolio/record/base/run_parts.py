"""Parts of `run.json` that remain JSON objects in Python: origin, environment and data of a run (`docs/format.md`).

These parts are printed, compared and written unchanged, so each part is a dict with typed keys. Any key may be missing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Required, TypedDict

from runfolio.record.base.schema import (
    AttemptNumber,
    Count,
    Fingerprint,
    Integer,
    Line,
    Most,
    Number,
    PathText,
    Prose,
    Small,
    Word,
)


class SeriesEntry(TypedDict, total=False):
    """Series of runs that a run belongs to."""

    name: Line
    fingerprint: Line | None
    varied: dict[str, Any]
    """Settings that distinguish the run from the other runs of its series."""


class Lineage(TypedDict, total=False):
    """Parent of a run."""

    kind: Required[Line]
    """`fork` or `reproduction`."""
    run: Required[Line]
    name: Line | None
    checkpoint: Line | None
    step: Integer | None
    changed: Annotated[list[Line], Most(1_000)]
    """Command-line flags whose values differ between the reproduction and the original run."""


class StartedCode(TypedDict, total=False):
    """Command that started the run, and the state of its git repository."""

    command: Annotated[list[Word], Most(1_000_000)]
    existing: Annotated[list[Word], Most(1_000)]
    """Arguments that named an existing file or folder."""
    module: Line | None
    script: PathText | None
    folder: PathText | None
    remote: Line | None
    commit: Line | None
    branch: Line | None
    dirty: bool | None
    git_problem: Prose | None
    earlier: list[StartedCode]
    """Commands and repository states of earlier attempts (starts of the run), oldest first."""


class Container(TypedDict, total=False):
    kind: Line
    id: Line


class Cpu(TypedDict, total=False):
    model: Line | None
    cores: Small | None
    threads: Small | None
    usable: Number | None


class Gpu(TypedDict, total=False):
    index: Small
    name: Line
    memory_mb: Count
    uuid: Line


class Torch(TypedDict, total=False):
    version: Line | None
    cuda: Line | None
    rocm: Line | None
    cudnn: Integer | None
    threads: Small | None
    interop_threads: Small | None
    default_dtype: Line | None
    deterministic_algorithms: bool | None
    deterministic_warn_only: bool | None
    cudnn_deterministic: bool | None
    cudnn_benchmark: bool | None
    matmul_precision: Line | None
    matmul_tf32: bool | None
    cudnn_tf32: bool | None
    cublas_workspace: Line | None


class Environment(TypedDict, total=False):
    """Environment of a run."""

    python: Line
    executable: PathText
    system: Line
    host: Line
    user: Line | None
    container: Container | None
    cpu: Cpu | None
    memory_mb: Count | None
    memory_limit_mb: Count | None
    disk_free_mb: Count | None
    gpus: Annotated[list[Gpu], Most(1_000)]
    driver: Line | None
    device: Line
    torch: Torch | None
    variables: dict[str, Word]
    packages: dict[str, Line]
    installed_from: dict[str, Word]


class GivenData(TypedDict, total=False):
    """Description of a data set that a run used."""

    fingerprint: Fingerprint | None
    items: Count | None
    bytes: Count | None
    source: Prose | None
    trouble: Prose | None
    attempt: AttemptNumber
    earlier: Annotated[list[GivenData], Most(1_000)]
    """Different data that earlier attempts (starts of the run) used under the same name, oldest first."""


class MetricAxis(TypedDict):
    """X axis of a metric."""

    metric: Required[Line]
    x: Required[Line]


class Cause(TypedDict, total=False):
    kind: Line
    text: Prose


class VerdictEntry(TypedDict, total=False):
    """Result of a reproduction."""

    word: Literal["bit-equal", "within tolerance", "parts"]
    sentence: Prose
    metric: Line | None
    step: Integer | None
    before: Any
    after: Any
    points: Count
    tensors: Count
    causes: list[Cause]

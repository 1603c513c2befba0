"""Segments with false metadata are reported as damaged, at little cost, and are never trusted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from runfolio.errors import DamagedFile
from runfolio.record.base.record_path import RecordPath
from runfolio.record.points import segment_files
from runfolio.record.points.row_merging import ROW
from runfolio.record.points.segment_files import Segment

from .parquet_forgery import GROUP_ROWS, ROWS, Forgery, set_field

STEP, VALUE = 1, 3
"""Columns: one that takes few bytes, and one of random numbers."""
READ = """
import resource, sys, time
from pathlib import Path
from runfolio.errors import DamagedFile
from runfolio.record.base.record_path import RecordPath
from runfolio.record.points.segment_files import Segment

path = Path(sys.argv[1])
try:  # the libraries are loaded before memory is counted
    Segment.open(RecordPath(path.parent, "none"))
except FileNotFoundError:
    pass
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 500 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
start = time.process_time()
try:
    segment = Segment.open(RecordPath(path.parent, path.name))
    print(len(segment.rows_of("loss", ["step", "value"], {"w1": 0})))
except DamagedFile as error:
    print(error)
print(time.process_time() - start)
"""


@pytest.fixture
def forgery(tmp_path: Path) -> Forgery:
    rows = np.zeros(2000, ROW)
    rows["metric"] = np.repeat([0, 1], 1000)
    rows["seq"] = rows["step"] = np.tile(np.arange(1, 1001), 2)
    rows["value"] = np.random.default_rng(0).random(len(rows))
    path = RecordPath(tmp_path, "segment-w1-1.parquet")
    segment_files.write(path, [rows], ["acc", "loss"], ["w1"], {"w1": [(1, 1000)]})
    return Forgery(path.path)


def column_of_loss(forgery: Forgery, column: str = "step") -> list[float]:
    """Return a column of a metric, as a reader of the file gets it."""
    forgery.save()
    segment = Segment.open(RecordPath(forgery.path.parent, forgery.path.name))
    return segment.rows_of("loss", [column], {"w1": 0})[column].tolist()


def test_rewritten_segment_without_a_lie_is_read(forgery):
    assert column_of_loss(forgery) == list(range(1, 1001))


@pytest.mark.parametrize("rows", [2**62, -1, 1_048_577])
def test_row_group_of_impossible_size_is_damaged(forgery, rows: int):
    set_field(forgery.groups[0], GROUP_ROWS, rows)

    with pytest.raises(DamagedFile, match=f"it claims that a row group has {rows:,} points"):
        column_of_loss(forgery)


def test_footer_of_2_to_the_62_rows_is_damaged(forgery):
    set_field(forgery.footer, ROWS, 2**62)

    with pytest.raises(DamagedFile, match="its row groups hold 2,000 points, but it claims 4,611,686,018,427,387,904"):
        column_of_loss(forgery)


def test_row_groups_that_sum_to_too_many_rows_are_damaged(forgery):
    set_field(forgery.groups[0], GROUP_ROWS, 1_000_000)
    forgery.groups = forgery.groups * 100
    set_field(forgery.footer, ROWS, 100_000_000)

    with pytest.raises(DamagedFile, match=r"it claims 100,000,000 points in \d\d,\d\d\d bytes"):
        column_of_loss(forgery)


def test_page_that_says_it_unpacks_to_2_gb_is_damaged(forgery):
    forgery.set_page(forgery.column(VALUE), 2**31 - 1)

    with pytest.raises(DamagedFile, match="column value would take 2,147,483,647 bytes in one row group"):
        column_of_loss(forgery, "value")


def lying_small_page(forgery: Forgery) -> None:
    forgery.set_page(forgery.column(STEP), 2**31 - 1)


def lying_page(forgery: Forgery) -> None:
    forgery.set_page(forgery.column(VALUE), 2**31 - 1)


def many_row_groups(forgery: Forgery) -> None:
    forgery.groups = forgery.groups * 1000
    set_field(forgery.footer, ROWS, 2_000_000)


def many_empty_structs(forgery: Forgery) -> None:
    forgery.groups = [{}] * 1_100_000


def some_empty_structs(forgery: Forgery) -> None:
    """Largest number in a footer that is accepted without a look at its row groups."""
    forgery.groups = [{}] * 1_000_000


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (lying_small_page, "is damaged"),
        (lying_page, "column value would take"),
        (many_row_groups, "1000000"),
        (many_empty_structs, "structs in"),
        (some_empty_structs, "is damaged"),
    ],
)
def test_forged_segment_costs_little_memory_and_time(forgery, forge: Callable[[Forgery], None], said: str, python):
    forge(forgery)
    forgery.save()

    done = python(READ, forgery.path)

    assert done.returncode == 0, done.stderr
    answer, seconds = done.stdout.splitlines()
    assert said in answer
    assert float(seconds) < 10

"""Files of answers: their size, and what damaged and forged ones cost."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runfolio.errors import ConfigError, DamagedFile, NewerFormat
from runfolio.record.base.layout import answers_path
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import now
from runfolio.record.content.answer_files import AnswersHeader, find_newest, list_answers, pack, read
from runfolio.record.content.answer_table import AnswerTable, class_columns


def table(items: int = 100, classes: int = 10) -> AnswerTable:
    generator = np.random.default_rng(0)
    scores, truths = generator.standard_normal((items, classes), np.float32), generator.integers(classes, size=items)
    names = [f"val/n{truth:08d}/image_{index:08d}.jpg" for index, truth in enumerate(truths)]
    return AnswerTable(
        names=names,
        digests=[hashlib.blake2b(name.encode(), digest_size=16).hexdigest() for name in names],
        classes=[f"class {index}" for index in range(classes)],
        columns=class_columns(truths, scores, probabilities=False),
    )


def content(answers: AnswerTable) -> bytes:
    return pack(AnswersHeader(now(), None if answers.classes is None else list(answers.classes)), answers)


@pytest.fixture
def path(tmp_path: Path) -> RecordPath:
    (tmp_path / "answers").mkdir()
    path = answers_path(tmp_path, "test", 1)
    path.write_bytes(content(table()))
    return path


def test_fifty_thousand_images_of_a_thousand_classes_are_small_and_quick(path: RecordPath):
    generator = np.random.default_rng(0)
    scores, truths = generator.standard_normal((50_000, 1_000), np.float32), generator.integers(1_000, size=50_000)
    names = table(50_000, 2).names
    start = time.thread_time()
    answers = AnswerTable(
        names=names,
        digests=table(50_000, 2).digests,
        classes=[f"class {index}" for index in range(1_000)],
        columns=class_columns(truths, scores, probabilities=False),
    )
    packed = content(answers)
    assert len(packed) < 5_000_000
    assert time.thread_time() - start < 2  # about 0.7 on a machine that is not busy


def test_file_is_read_as_written(path: RecordPath):
    written, (_, answers) = table(), read(path)
    assert (answers.names, answers.digests, answers.classes) == (written.names, written.digests, written.classes)
    assert answers.columns.keys() == written.columns.keys()
    assert all((answers.columns[name] == column).all() for name, column in written.columns.items())


def test_other_readers_get_plain_columns(path: RecordPath):
    plain = pq.read_table(path.path)
    assert plain.schema.field("name").type == pa.string()
    assert plain["class_1"].to_pylist() == table().columns["class_1"].tolist()


def test_several_row_groups_are_joined(path: RecordPath):
    written = table(70_000, 3)
    path.write_bytes(content(written))
    assert pq.ParquetFile(path.path).num_row_groups == 2
    assert read(path)[1].names == written.names


def test_every_changed_byte_is_damage_or_changes_nothing(path: RecordPath):
    original, expected = path.path.read_bytes(), table()
    for position in range(0, len(original), 97):
        path.write_bytes(original[:position] + bytes([original[position] ^ 0x55]) + original[position + 1 :])
        try:
            _, answers = read(path)
        except (DamagedFile, NewerFormat):
            continue
        assert answers.names == expected.names
        assert all((answers.columns[name] == column).all() for name, column in expected.columns.items())


@pytest.mark.parametrize("length", [0, 3, 100, -1])
def test_file_that_was_cut_is_damaged(path: RecordPath, length: int):
    path.write_bytes(path.path.read_bytes()[:length])
    with pytest.raises(DamagedFile, match=r"answers/test-1.parquet is damaged \("):
        read(path)


def test_class_without_a_name_is_damage(path: RecordPath):
    answers = table()
    answers.columns["class_2"][7] = 10
    path.write_bytes(content(answers))
    with pytest.raises(DamagedFile, match="class_2 has a class without a name"):
        read(path)


def test_file_without_an_expected_column_is_damaged(path: RecordPath):
    names = table(10, 2)
    plain = pq.read_table(pa.BufferReader(content(names)))
    pq.write_table(plain.drop_columns(["loss"]), path.path, compression="zstd")
    with pytest.raises(DamagedFile, match="it lacks loss"):
        read(path)


def test_repeated_long_name_takes_little_memory(path: RecordPath):
    rows = 1_000_000
    long = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["x" * 1_000_000]))
    columns = {"name": long, **{name: pa.array(np.zeros(rows)) for name in ("truth", "value", "error")}}
    forged = pa.table(columns)
    with pq.ParquetWriter(path.path, forged.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(forged)
        writer.add_key_value_metadata({"runfolio": '{"runfolio": 0, "saved": "2026-11-22T11:13:33Z"}'})
    _, answers = read(path)  # 1 TB, if each row had a text of its own
    assert len(answers.names) == rows
    assert answers.names[0] is answers.names[-1]


def test_link_is_not_followed(path: RecordPath, tmp_path: Path):
    outside = tmp_path / "outside.parquet"
    path.path.rename(outside)
    path.path.symlink_to(outside)
    with pytest.raises(DamagedFile, match="a link, which is not followed"):
        read(path)


def test_names_of_classes_that_exceed_the_footer_are_refused():
    answers = table(3, 2)
    with pytest.raises(ConfigError, match="the names of the classes take more than"):
        pack(AnswersHeader(now(), ["x" * 1_000] * 10_000), answers)


def test_last_saved_file_of_the_newest_attempt_is_chosen(tmp_path: Path):
    (tmp_path / "answers").mkdir()
    places = [
        ("test", 1, None),
        ("test", 2, "zzzzzzzz"),
        ("test", 2, None),
        ("test", 2, "aaaaaaaa"),
        ("test-2", 3, None),
    ]
    for place in places[:3]:
        answers_path(tmp_path, *place).write_bytes(content(table(3)))
    newest = find_newest(tmp_path, "test")
    assert newest is not None
    assert newest.path.name == "test-2.parquet"
    for place in places[3:]:
        answers_path(tmp_path, *place).write_bytes(content(table(3)))
    newest = find_newest(tmp_path, "test")
    assert newest is not None
    assert newest.path.name == "test-2.aaaaaaaa.parquet"
    assert {(file.split, file.attempt) for file in list_answers(tmp_path)} == {("test", 1), ("test", 2), ("test-2", 3)}
    assert find_newest(tmp_path, "val") is None

"""`/api/runs/KEY/console`, `code` and `files`: output of a run, its code, and the files in its folder."""

from __future__ import annotations

import pytest

import runfolio
from runfolio.board.log_lines import LogLines
from runfolio.board.unified_diff import parse_diff
from runfolio.record.base.record_path import RecordPath
from runfolio.record.content.console_log import log_path

from .run_client import RunClient

DIFF = """diff --git a/train.py b/train.py
index 1..2 100644
--- a/train.py
+++ b/train.py
@@ -1,4 +1,4 @@ def main():
 import torch
-lr = 0.1
-gone
+lr = 0.3
 end
diff --git a/new.py b/new.py
new file mode 100644
--- /dev/null
+++ b/new.py
@@ -0,0 +1 @@
+<script>\x1b[31m
\\ No newline at end of file
"""


@pytest.fixture
def client(board_store):
    return RunClient(board_store)


def write_log(store, *texts: str) -> RunClient:
    """Record a run with one attempt per text. The console of each attempt contains its text."""
    with runfolio.init("printed", store=store) as run:
        run.log({"loss": 1.0}, step=0)
        run.finish("interrupted")
    for _ in texts[1:]:
        with runfolio.resume(run.id, checkpoint=None, store=store) as run:
            run.log({"loss": 1.0}, step=0)
            run.finish("interrupted")
    recorded = runfolio.open(store).run(run.id)
    for attempt, text in zip(recorded.document.attempts, texts, strict=True):
        path = log_path(recorded.folder, attempt.writer).path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return RunClient(store)


def test_console_is_read_by_rows_and_says_where_the_error_is(client):
    page = client.run("failed", "console")
    error = page["error"]
    assert page["lines"][0] == "step 0: loss 1.000"
    assert page["lines"][error["row"]].startswith("Traceback")
    assert page["lines"][error["end"]] == "ValueError: bad shape <b>(3, 4)</b>"
    tail = client.run("failed", "console", **{"from": -1})
    assert tail["from"] == page["rows"] - 1
    assert tail["lines"] == [page["lines"][-1]]
    assert client.run("killed", "console")["rows"] == 0
    assert client.run("resumed", "console", limit=0)["error"] is None


def test_traceback_that_was_not_printed_follows_the_output(store):
    with pytest.raises(ValueError, match="no luck"), runfolio.init("unlucky", store=store) as run:
        raise ValueError("no luck")
    recorded = runfolio.open(store).run(run.id)
    path = log_path(recorded.folder, recorded.document.attempts[0].writer).path
    path.parent.mkdir(exist_ok=True)
    path.write_text("Traceback (most recent call last):\nof a handled error\nlast line\n")
    client = RunClient(store)
    page = client.run("unlucky", "console")
    assert page["lines"][2:4] == ["last line", "Traceback (most recent call last):"]
    assert page["lines"][-1] == "ValueError: no luck"
    assert page["error"] == {"row": 3, "end": page["rows"] - 1}
    assert client.run("unlucky", "console", **{"from": -1})["lines"] == ["ValueError: no luck"]
    assert client.run("unlucky", "console", limit=0, search="no luck")["search"]["rows"] == [
        page["rows"] - 2,
        page["rows"] - 1,
    ]


def test_attempts_follow_each_other_with_a_row_between(store):
    client = write_log(store, "one\ntwo\n", "three\n")
    page = client.run("printed", "console")
    assert page["lines"] == ["attempt 1", "one", "two", "attempt 2", "three"]
    assert [attempt["row"] for attempt in page["attempts"]] == [0, 3]
    assert client.run("printed", "console", **{"from": 2, "limit": 2})["lines"] == ["two", "attempt 2"]
    assert client.run("printed", "console", search="T", limit=0)["search"] == {"total": 2, "rows": [2, 4]}
    assert client.get(f"/api/runs/{client.key('printed')}/console.txt").text == "one\ntwo\nthree\n"


def test_escape_sequences_and_invisible_characters_are_shown(store):
    text = "\x1b[31mred\x1b]8;;javascript:alert(1)\x07link \u202ereversed \udcff " + "a" * 9_000 + "\n"
    (line,) = write_log(store, text).run("printed", "console")["lines"]
    assert line.startswith(r"\x1b[31mred\x1b]8;;javascript:alert(1)\x07link \u202ereversed")
    assert line.endswith("more characters]")
    assert len(line) < 5_000


def test_lines_of_a_long_log_are_found_by_number_while_it_grows(tmp_path):
    path = tmp_path / "log"
    expected = [f"line {number} {'x' * (number % 300)}" for number in range(3_000)]
    path.write_text("\n".join(expected[:2_000]) + "\n")
    lines = LogLines(RecordPath(tmp_path, "log"))
    assert lines.count() == 2_000
    with path.open("a") as file:
        file.write("\n".join(expected[2_000:]))  # without a newline at the end
    assert lines.count() == 3_000
    for start in (0, 1, 255, 256, 257, 1_999, 2_559, 2_560, 2_998):
        assert lines.read(start, 3) == expected[start : start + 3]
    assert lines.read(3_000, 5) == []
    assert lines.search("LINE 299", 5) == (11, [299, 2990, 2991, 2992, 2993])
    assert lines.find_last(b"line 29") == 2_999
    assert lines.find_last(b"line 29", before=300) == 299
    assert lines.find_last(b"nothing") is None
    path.write_text("new\n")
    assert lines.count() == 1
    assert lines.read(0, 5) == ["new"]


def test_captured_code_is_read_by_digest(client):
    lists = client.run("failed", "code")
    file = next(file for file in lists["files"] if file["why"] == "script")
    content = client.run("failed", "code", file=file["sha"])
    assert content["lines"][0].startswith('"""Program that records')
    assert lists["facts"]["command"].endswith("failed")
    assert "numpy" in lists["packages"]
    assert lists["error"]["path"] == file["path"]
    assert content["lines"][lists["error"]["line"] - 1].strip() == 'raise ValueError("bad shape <b>(3, 4)</b>")'
    assert client.run("killed", "code")["error"] is None
    missing = client.get(f"/api/runs/{client.key('failed')}/code", file="0" * 64)
    assert missing.status_code == 404


def test_changed_words_of_a_diff_are_marked():
    changed, added = parse_diff(DIFF)["files"]
    assert (changed["path"], changed["kind"], changed["added"], changed["removed"]) == ("train.py", "changed", 1, 2)
    (hunk,) = changed["hunks"]
    assert hunk["lines"] == [
        (" ", [["import torch", 0]]),
        ("-", [["lr = 0.", 0], ["1", 1]]),
        ("-", [["gone", 0]]),
        ("+", [["lr = 0.", 0], ["3", 1]]),
        (" ", [["end", 0]]),
    ]
    assert (added["path"], added["kind"]) == ("new.py", "added")
    assert added["hunks"][0]["lines"][0] == ("+", [["<script>\\x1b[31m", 0]])


def test_long_diffs_are_cut_and_quick():
    body = "".join(f"-{'a ' * 30}{number}\n+{'b ' * 30}{number}\n" for number in range(15_000))
    diff = parse_diff(f"diff --git a/x b/x\n@@ -1,15000 +1,15000 @@\n{body}")
    assert diff["left_out"] == 10_002
    assert sum(len(hunk["lines"]) for hunk in diff["files"][0]["hunks"]) == 19_998


def test_files_are_listed_by_folder_with_sizes(client):
    page = client.run("mlp-10pct-3ep", "files")
    groups = {group["name"]: group for group in page["groups"]}
    assert {"", "checkpoints", "metrics", "code"} <= set(groups)
    assert groups["checkpoints"]["bytes"] == sum(entry["bytes"] for entry in groups["checkpoints"]["entries"])
    assert page["bytes"] == sum(group["bytes"] for group in page["groups"])
    assert page["groups"][0]["bytes"] == max(group["bytes"] for group in page["groups"])

"""Mutations of a record's documents: one value after another is replaced, and every command must cope.

`Record` is a store with a run that uses everything a record has; `mutations` yields changes of a document.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import subprocess
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from click.testing import CliRunner

import runfolio
from runfolio.cli import main
from runfolio.cli.pages.profile import Profile
from runfolio.errors import RunfolioError
from runfolio.record.base import schema
from runfolio.record.base.run_document import RunDocument
from runfolio.record.checkpoints.manifests import ManifestFields
from runfolio.record.content import media
from runfolio.record.content.artifacts import Artifact
from runfolio.record.content.code import Code
from runfolio.record.content.run_edits import Edit
from runfolio.record.liveness.claims import Claim
from runfolio.record.liveness.heartbeats import Heartbeat
from runfolio.record.liveness.process_exits import Death

from ..forked import Forked

SCRIPT = """\
import sys
import numpy as np
import torch
import helper
import runfolio

def train(run, steps):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    run.define_metric("val/*", x="epoch")
    for step in steps:
        optimizer.zero_grad()
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        run.log({"train/loss": 1 / (step + 1), "val/acc": step / 10, "epoch": step // 2, "bad": "no number"}, step=step)
        run.checkpoint(step=step, metric=step, model=model, optimizer=optimizer, epoch=step, meta={"a": [1]})
    mask = np.zeros((4, 4), int)
    boxes = [{"box": [0, 0, 1, 1], "label": "a", "score": 0.5}]
    run.log_image("picture", mask.astype(np.uint8), step=1, caption="a caption", boxes=boxes, masks=mask, classes=["a"])
    run.log_audio("tone", [0.0, 2.0], 8000, step=1)
    run.log_video("film", np.zeros((2, 4, 4)), step=1)
    run.log_table("numbers", [{"a": 1}], step=1)
    run.log_mesh("cloud", np.zeros((1, 3)), step=1)
    run.log_histogram("weights", [1.0, 2.0, 3.0], step=1)
    run.log_histogram("weights", [1.0, 2.5, 3.0], step=2)
    run.log_text("words", "some words", step=1)
    run.log_graph(model, torch.ones(1, 2))
    run.log_data("train", np.arange(6.0), source="an array")
    run.artifact(__file__, name="script", type="code")
    run.summary["test/acc"] = 0.9
    run.summary["test/loss"] = float("nan")
    run.tags.append("tried")
    run.notes = "a note"
    print("a line of the console")

runfolio.seed_everything(1)
if sys.argv[1] == "start":
    with runfolio.init("rich", experiment="e", config={"lr": 0.1, "model": {"name": "net"}, "nan": float("nan")},
                       tags=["first"]) as run:
        train(run, range(3))
elif sys.argv[1] == "resume":
    with runfolio.resume("rich") as run:
        train(run, range(3, 5))
else:
    with runfolio.fork("rich", name="forked") as run:
        train(run, range(5, 7))
"""
PROFILE = {
    "runfolio": 0,
    "steps": 3,
    "seconds": 0.1,
    "loading": 0.04,
    "device": "cuda",
    "operators": [{"name": "aten::mm", "calls": 6, "self_cpu_ms": 1.5, "self_gpu_ms": None, "share": 0.3}],
}
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 7, 2**63, -(2**63), 0.5, 1e308, "NaN", "Infinity"),
    *("", "x", "\0", "../x", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+00:00", "é" * 2_000_000),
    *(
        [],
        [0],
        [None],
        ["x"],
        [[[[]]]],
        [{}],
        ["multiline", 3],
        {},
        {"a": 1},
        {"a": {"b": [None]}},
        {"": ""},
        {"$text": "NaN"},
    ),
)
"""Values that take the place of another."""
COMMANDS = (
    ("runs",),
    ("runs", "--json"),
    ("runs", "--csv"),
    ("runs", "--columns", "data.train,lr,val/acc,device,commit,lineage,series,archived,ended,reason"),
    ("runs", "--sort", "created", "--tag", "later", "--state", "finished"),
    ("show", "RUN"),
    ("show", "RUN", "--all"),
    ("show", "RUN", "--json"),
    ("show", "RUN", "--code"),
    ("show", "RUN", "--diff"),
    ("show", "RUN", "--rank", "0"),
    ("show", "OTHER"),
    ("diff", "OTHER", "RUN"),
    ("diff", "RUN", "OTHER", "--json"),
    ("compare", "RUN", "OTHER"),
    ("compare", "RUN", "OTHER", "--all", "--json"),
    ("compare", "RUN", "OTHER", "--group-by", "lr", "--csv"),
    ("best", "val/acc", "--max"),
    ("logs", "RUN"),
    ("plot", "val/acc"),
    ("plot", "val/acc", "RUN", "--x", "time"),
    ("plot", "--histogram", "weights", "RUN"),
    ("plot", "--scatter", "lr", "val/acc"),
    ("doctor", "RUN"),
    ("doctor", "RUN", "--json"),
    ("reproduce", "RUN", "--dry-run"),
    ("reproduce", "RUN", "--dry-run", "--here", "--json"),
    ("reproduce", "RUN", "--dry-run", "--fresh-venv"),
    ("predict", "RUN", "train.py"),
    ("evaluate", "RUN"),
)
"""Commands that read a store; RUN is the run whose documents are mutated, OTHER a whole one."""


@dataclass(frozen=True)
class Record:
    """A store with a run of every part, and the run that it came of."""

    store: Path
    folder: Path
    """The run whose documents are mutated."""
    other: str

    @classmethod
    def make(cls, folder: Path, server: Forked) -> Record:
        """Record a run in two attempts and a fork of it, whose documents have every field there is."""
        (folder / "train.py").write_text(SCRIPT)
        (folder / "helper.py").write_text("")
        store = folder / "runs"
        git = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
        for words in (["init", "-q"], ["add", "train.py"], ["commit", "-qm", "a state"]):
            subprocess.run([*git, *words], cwd=folder, check=True)
        (folder / "train.py").write_text(SCRIPT + "\n")
        environment = {**os.environ, "RUNFOLIO_STORE": str(store), "RUNFOLIO_CONSOLE": "on"}
        for word in ("start", "resume", "fork"):
            done = server.run("train.py", word, cwd=folder, env=environment)
            assert done.returncode == 0, done.stderr
        runs = {run.name: run for run in runfolio.open(store).runs()}
        runs["forked"].edits.tag("later")
        runs["forked"].edits.set_verdict(
            {"word": "parts", "sentence": "It parts.", "step": 3, "causes": [{"kind": "code", "text": "a line"}]}
        )
        record = cls(store, runs["forked"].folder, runs["rich"].id)
        record._complete()
        return record

    def _complete(self) -> None:
        """Add the fields that are recorded only on other machines and for other endings."""
        path = self.folder / "run.json"
        document = orjson.loads(path.read_bytes())
        writer = document["attempts"][-1]["writer"]
        document["status"] |= {"traceback": "Traceback ...\nValueError: no", "cause": "exception"}
        document["status"] |= {"reason": "ValueError: no", "exit_code": 1, "state": "failed", "trouble": "NaN came"}
        document["series"] = {"name": "s", "fingerprint": "f", "varied": {"lr": 0.1}}
        document["code"]["git_problem"] = "not trusted"
        environment = document["environment"]
        environment["gpus"] = [{"index": 0, "name": "H100", "memory_mb": 80_000, "uuid": "GPU-1"}]
        environment |= {"driver": "550.1", "container": {"kind": "docker", "id": "c0ffee"}, "memory_limit_mb": 1000}
        environment["packages"] = {"torch": environment["packages"]["torch"], "runfolio": "0.1"}
        environment["installed_from"] = {"runfolio": "file:///elsewhere (editable)"}
        environment["variables"] = {"OMP_NUM_THREADS": "1", "WORLD_SIZE": "1", "PYTHONPATH": "/elsewhere"}
        document["data"]["train"]["earlier"] = [{**document["data"]["train"], "fingerprint": "0" * 32}]
        path.write_bytes(orjson.dumps(document))
        death = {"runfolio": 0, "writer": writer, "time": document["created"], "signal": 9, "exit_code": None}
        death |= {"oom_kills": 1, "memory_bytes": 123}
        (self.folder / "alive" / f"{writer}.death.json").write_bytes(orjson.dumps(death))
        (self.folder / "artifacts" / "profile").mkdir()
        (self.folder / "artifacts" / "profile" / "operators.json").write_bytes(orjson.dumps(PROFILE))
        manifest = {"runfolio": 0, "name": "profile", "type": "profile", "saved": document["created"], "files": []}
        (self.folder / "artifacts" / "profile.json").write_bytes(orjson.dumps(manifest))

    def documents(self) -> list[Document]:
        """Return every document of the run."""
        paths = sorted(path for path in self.folder.rglob("*.json") if path.name != "run.json")
        lines = [*sorted(self.folder.rglob("*.jsonl")), *sorted(self.folder.rglob("*.jsonl.gz"))]
        whole = [Document(path) for path in (self.folder / "run.json", *paths)]
        return whole + [Document(path, number) for path in lines for number in range(len(_read(path).splitlines()))]

    @contextlib.contextmanager
    def replaced(self, changes: Iterable[tuple[Document, Mutation]]) -> Iterator[None]:
        """Hold mutations in the places of documents."""
        with contextlib.ExitStack() as stack:
            for document, mutation in changes:
                stack.enter_context(document.replaced(mutation.value))
            yield

    def unforeseen(self, commands: Iterable[tuple[str, ...]] = COMMANDS) -> list[str]:
        """Run commands, and return those that ended with an unexpected error, each with its traceback."""
        names = {"RUN": self.folder.relative_to(self.store).as_posix(), "OTHER": self.other}
        failures = []
        for words in commands:
            command = [*(names.get(word, word) for word in words), "--store", str(self.store)]
            output = CliRunner().invoke(main, command).output
            if "Traceback (most recent" in output or "run again with --debug" in output:
                failures.append(f"{' '.join(words)}: {CliRunner().invoke(main, [*command, '--debug']).output[-3000:]}")
        return failures

    def unforeseen_in_python(self) -> list[str]:
        """Read every property of the run with the Python API; return the tracebacks of unexpected errors."""
        try:
            run = runfolio.open(self.store).run(self.folder.relative_to(self.store).as_posix())
        except RunfolioError:
            return []
        attempts: list[Callable[[], Any]] = [
            lambda: (repr(run), run.duration_s, run.ending, run.flat_config, run.flat_summary, run.problems),
            lambda: (run.name, run.tags, run.notes, run.edits.archived, run.edits.verdict, run.created, run.experiment),
            lambda: [facts.listing() for facts in run.data.values()],
            lambda: [run.metric(name) for name in run.metric_summaries],
            lambda: [repr(entry) for entry in run.media()],
            lambda: [(repr(saved), saved.parts, saved.size_bytes, saved.state) for saved in run.checkpoints],
            lambda: [run.code.read(file.path) for file in run.code.files],
            lambda: (run.code.info, run.code.diff, run.code.problem),
            lambda: run.load_model(),
        ]
        return [text for attempt in attempts if (text := _unforeseen_error(attempt))]


def _unforeseen_error(action: Callable[[], Any]) -> str | None:
    try:
        action()
    except RunfolioError:
        return None
    except Exception:
        return traceback.format_exc()
    return None


_KINDS: dict[str, type] = {
    "alive": Heartbeat,
    "artifacts": Artifact,
    "checkpoints": ManifestFields,
    "claims": Claim,
    "code": Code,
    "notes": Edit,
}


@dataclass(frozen=True)
class Document:
    """A JSON object of the record: a file, or a line of one."""

    path: Path
    line: int | None = None

    def read(self) -> Any:
        content = _read(self.path)
        return orjson.loads(content if self.line is None else content.splitlines()[self.line])

    def meaning(self, value: Any) -> str:
        """Return the document as a reader sees it with a value replaced; equal results need only one test."""
        folder = self.path.parent.name
        if self.path.name == "run.json":
            document = RunDocument.from_json(value, self.path.parent) if isinstance(value, dict) else None
            return repr(document)
        if folder == "media" and self.line:
            return repr(media.decode(self.path.parent.parent, orjson.dumps(value), "w", 1))
        kind = Death if self.path.name.endswith(".death.json") else _KINDS.get(folder, Profile)
        try:
            return repr(value if self.line is not None else schema.decode(kind, value)[0])
        except ValueError:
            return "damaged"

    @contextlib.contextmanager
    def replaced(self, value: Any) -> Iterator[None]:
        """Hold another value in the place of the document."""
        before = self.path.read_bytes()
        content = orjson.dumps(value)
        if self.line is not None:
            lines = _read(self.path).splitlines()
            lines[self.line] = content
            content = b"".join(line + b"\n" for line in lines)
        self.path.write_bytes(gzip.compress(content) if self.path.suffix == ".gz" else content)
        try:
            yield
        finally:
            self.path.write_bytes(before)


def _read(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


class Mutation(NamedTuple):
    """One change of a document."""

    words: str
    value: Any
    """The document as it is then."""


def mutations(document: Any, most_entries: int = 3) -> Iterator[Mutation]:
    """Yield the document with each of its values replaced by each of `VALUES`, with keys taken away and added.

    Args:
        most_entries: Only so many entries of a list are mutated.
    """
    for keys in _places(document, (), most_entries):
        for value in VALUES:
            yield Mutation(f"{'/'.join(map(str, keys))} = {str(value)[:20]!r}", _with(document, keys, lambda _: value))  # noqa: B023
        if keys:
            yield Mutation(f"{'/'.join(map(str, keys))} removed", _without(document, keys))
    for keys in _places(document, (), most_entries):
        if isinstance(_at(document, keys), dict):
            added = _with(document, keys, lambda entries: {**entries, "not known": {"a": [1]}, "": None})
            yield Mutation(f"{'/'.join(map(str, keys))} with other keys", added)


def _places(value: Any, keys: tuple[Any, ...], most_entries: int) -> Iterator[tuple[Any, ...]]:
    yield keys
    if isinstance(value, dict):
        entries: Iterable[tuple[Any, Any]] = value.items()
    else:
        entries = list(enumerate(value))[:most_entries] if isinstance(value, list) else ()
    for key, entry in entries:
        yield from _places(entry, (*keys, key), most_entries)


def _at(value: Any, keys: tuple[Any, ...]) -> Any:
    for key in keys:
        value = value[key]
    return value


def _with(value: Any, keys: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    if not keys:
        return change(value)
    copied = value.copy()
    copied[keys[0]] = _with(value[keys[0]], keys[1:], change)
    return copied


def _without(value: Any, keys: tuple[Any, ...]) -> Any:
    def remove(entries: Any) -> Any:
        copied = entries.copy()
        del copied[keys[-1]]
        return copied

    return _with(value, keys[:-1], remove)

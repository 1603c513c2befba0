"""`docs/fields.md` lists the fields, types, bounds and defaults that the decoder of each document accepts."""

from __future__ import annotations

import re

import pytest

from runfolio.cli.pages import profile
from runfolio.record.base import run_document, run_parts, schema
from runfolio.record.checkpoints import manifests
from runfolio.record.content import answer_files, artifacts, code, media, run_edits
from runfolio.record.liveness import claims, heartbeats, process_exits
from runfolio.tensorboard import import_cursor

from .commands import ROOT

DOCUMENTS = (
    *(run_document.RunDocument, run_document.Status, run_document.Attempt),
    *(run_parts.SeriesEntry, run_parts.StartedCode, run_parts.Environment, run_parts.Container, run_parts.Cpu),
    *(run_parts.Gpu, run_parts.Torch, run_parts.GivenData, run_parts.Lineage, run_parts.MetricAxis),
    *(heartbeats.Heartbeat, process_exits.Death, claims.Claim),
    *(run_edits.Edit, run_edits.EditedValues, run_parts.VerdictEntry, run_parts.Cause),
    *(code.Code, code.SourceFile, code.OmittedFile, manifests.ManifestFields, manifests.TensorFile),
    *(artifacts.Artifact, artifacts.ArtifactFile, profile.Profile, profile.Operator),
    answer_files.AnswersHeader,
    *(
        media.MediaLine,
        media.Picture,
        media.Box,
        media.LoggedAudio,
        media.LoggedVideo,
        media.LoggedTable,
        media.LoggedMesh,
        media.LoggedText,
        media.LoggedHistogram,
        media.LoggedGraph,
        media.GraphNode,
        media.LoggedLayout,
    ),
    *(import_cursor.ImportCursor, import_cursor.ReadFile, import_cursor.FilePart, import_cursor.TagState),
)
FORMAT = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
FIELDS = (ROOT / "docs" / "fields.md").read_text(encoding="utf-8")


def table(document: type) -> str:
    """Return the lines that describe a document."""
    rows = [f"| `{name}` | {words} | {default} |" for name, words, default in schema.describe(document)]
    return "\n".join(["| field | value | if missing or invalid |", "|---|---|---|", *rows, ""])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.__name__)
def test_fields_of_a_document_are_specified(document: type):
    _, _, section = FIELDS.partition(f"\n## {document.__name__}\n")
    assert table(document) in section.partition("\n## ")[0]


def test_nothing_else_is_specified():
    assert re.findall(r"^## (\w+)$", FIELDS, re.MULTILINE) == [document.__name__ for document in DOCUMENTS]


def test_every_object_in_a_field_is_specified():
    assert set(re.findall(r"object \((\w+)\)", FIELDS)) <= {document.__name__ for document in DOCUMENTS}


def test_the_environment_is_explained_key_by_key():
    _, _, section = FORMAT.partition("\n## Environment\n")
    keys = re.findall(r"^\| (`.*?`) \|", section.partition("\n## ")[0], re.MULTILINE)
    assert [name for row in keys for name in re.findall(r"`(\w+)`", row)] == [
        field.name for field in schema.describe(run_parts.Environment)
    ]

"""`/api/openapi.json`: description of the API in the OpenAPI format. A test compares the description with the
routes."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runfolio._version import __version__
from runfolio.board.columns import MEDIA_TYPE
from runfolio.board.query_args import MAX_RUNS
from runfolio.board.replies import JSON, json_reply

Schema = dict[str, Any]
_LARGEST_STEP = 2**53
_KEY: Schema = {"type": "string", "pattern": "^[0-7][0-9a-f]{15}$", "description": "Key of a run."}
_DIGEST: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_NUMBER: Schema = {"type": "number"}
_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "string", "enum": ["0", "1"]}


def _integer(low: int, high: int, default: int | None = None) -> Schema:
    schema: Schema = {"type": "integer", "minimum": low, "maximum": high}
    return schema if default is None else {**schema, "default": default}


def _choice(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


def _list(items: Schema, most: int, least: int = 1) -> Schema:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


_SELECTION: dict[str, tuple[Schema, str]] = {
    "experiment": (_TEXT, "Only the runs of this experiment."),
    "where": (_TEXT, "Filter, as described in docs/filter.md."),
    "archived": (_FLAG, "Include archived runs."),
}
_LINES: dict[str, tuple[Schema, str]] = {
    "runs": (_list(_KEY, MAX_RUNS), "Keys of runs, in order. Default: the best runs that the filter selects."),
    **_SELECTION,
    "metrics": (_list(_TEXT, 50), "Names of metrics. Required."),
    "x": (_TEXT, "X axis: step, time, epoch or a metric. Default: the axis that the runs defined."),
    "from": (_NUMBER, "Left end of the x axis."),
    "to": (_NUMBER, "Right end of the x axis."),
    "px": (_integer(50, 8_000, 1_000), "Number of pixel columns."),
    "smooth": ({"type": "number", "minimum": 0, "exclusiveMaximum": 1}, "Smoothing weight, as in TensorBoard."),
    "log": (_choice("x", "y", "xy"), "Axes with a logarithmic scale."),
    "group": (_list(_TEXT, 20), "Columns to group by. If names start with -, all settings except these are used."),
    "spread": (_choice("minmax", "std", "ci"), "Band around the mean of a group."),
    "limit": (_integer(1, MAX_RUNS, 100), "Maximum number of runs that a filter selects."),
}
_RUN_PATH = {"key": _KEY}


def _operation(
    summary: str,
    query: dict[str, tuple[Schema, str]] | None = None,
    path: dict[str, Schema] | None = None,
    media_type: str | tuple[str, ...] = JSON,
    body: Schema | None = None,
) -> Schema:
    parameters: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": schema} for name, schema in (path or {}).items()
    ]
    for name, (schema, description) in (query or {}).items():
        joined = {"style": "form", "explode": False} if schema.get("type") == "array" else {}
        parameters.append({"name": name, "in": "query", "description": description, "schema": schema, **joined})
    media_types = (media_type,) if isinstance(media_type, str) else media_type
    operation: Schema = {
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "200": {"description": "The answer.", "content": {each: {"schema": {}} for each in media_types}},
            "304": {"description": "The ETag in If-None-Match is current: the answer has not changed."},
            "4XX": {"$ref": "#/components/responses/Error"},
            "501": {"$ref": "#/components/responses/Error"},
            "503": {"$ref": "#/components/responses/Error"},
        },
    }
    if body is not None:
        operation["parameters"].append(
            {"name": "X-Runfolio", "in": "header", "required": True, "schema": {"type": "string", "enum": ["1"]}}
        )
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": body}}}
    return operation


def _object(fields: dict[str, Schema], *required: str) -> Schema:
    return {"type": "object", "properties": fields, "required": list(required), "additionalProperties": False}


_GET: dict[str, Schema] = {
    "/api/store": _operation("Experiments, running runs and ended runs of the store."),
    "/api/columns": _operation("Columns that the selected runs have.", _SELECTION),
    "/api/runs": _operation(
        "One page of the table of runs, or of groups of runs if `group` is given.",
        {
            **_SELECTION,
            "sort": (_TEXT, "Column to sort by. A leading - means descending order. Default: best run first."),
            "columns": (_list(_TEXT, 200), "Columns of the table. Default: the settings that vary."),
            "group": (_TEXT, "Columns to group by, separated by commas. -seed groups by all settings except seed."),
            "metric": (_TEXT, "Metric that ranks the runs."),
            "mode": (
                _choice("min", "max"),
                "Direction of the metric: min if lower is better, max if higher is better.",
            ),
            "offset": (_integer(0, 10**9, 0), "Number of runs to skip."),
            "limit": (_integer(0, 500, 100), "Maximum number of runs on the page."),
        },
    ),
    "/api/runs/{key}": _operation("Everything that the overview of a run shows.", path=_RUN_PATH),
    "/api/runs/{key}/media": _operation(
        "Names of the media of a run, the media at one `step`, or rows of a `table`.",
        {
            "kind": (_TEXT, "Only media of this kind."),
            "name": (_TEXT, "Only media of this name."),
            "step": (_integer(-_LARGEST_STEP, _LARGEST_STEP), "Step of the media."),
            "table": (_DIGEST, "Digest of a table."),
            "from": (_integer(0, 10**9, 0), "Number of names or rows to skip."),
            "limit": (_integer(1, 200, 48), "Maximum number of names or rows."),
        },
        _RUN_PATH,
    ),
    "/api/runs/{key}/console": _operation(
        "Rows of the console of a run.",
        {
            "from": (_integer(-(10**9), 10**9, 0), "Number of the first row. A negative number counts from the end."),
            "limit": (_integer(0, 1_000, 300), "Maximum number of rows."),
            "search": (_TEXT, "Text to search for. The answer lists the rows that contain it."),
        },
        _RUN_PATH,
    ),
    "/api/runs/{key}/console.txt": _operation(
        "Console of a run as a file.", path=_RUN_PATH, media_type="application/octet-stream"
    ),
    "/api/runs/{key}/code": _operation(
        "List of the captured files of a run, the text of one `file`, or the uncommitted changes (`diff`).",
        {"file": (_DIGEST, "Digest of a captured file."), "diff": (_FLAG, "Return the uncommitted changes.")},
        _RUN_PATH,
    ),
    "/api/runs/{key}/files": _operation("Files of a run.", path=_RUN_PATH),
    "/api/blobs/{key}/{sha}": _operation(
        "File of a run, or the image in the cell of a table that `row` and `column` select.",
        {
            "row": (_integer(0, 10_000), "Row of a table."),
            "column": (_integer(0, 100), "Column of a table."),
        },
        {"key": _KEY, "sha": _DIGEST},
        "*/*",
    ),
    "/api/curves": _operation(
        "Lines of curves or of groups, as binary columns (docs/board-api.md).",
        {
            **_LINES,
            "after": (_TEXT, "Cursor of each run, separated by commas. Only newer points are returned."),
        },
        media_type=MEDIA_TYPE,
    ),
    "/api/figure.{ending}": _operation(
        "Lines of curves or of groups, as a figure, as CSV, or as the command that draws them.",
        {
            **_LINES,
            "colours": (_list(_integer(-1, 999_999), MAX_RUNS), "Colour index of each run or group. -1 means grey."),
            "ylim": (_TEXT, "Limits of the y axis, separated by a comma. Either limit may be missing."),
            "width": (_integer(200, 4_000, 760), "Width in CSS pixels."),
            "height": (_integer(200, 4_000, 420), "Height in CSS pixels."),
            "title": (_TEXT, "Title above the figure."),
        },
        {"ending": _choice("svg", "pdf", "png", "csv", "txt")},
        ("image/svg+xml", "application/pdf", "image/png", "text/csv", "text/plain"),
    ),
    "/api/trash": _operation("Deleted runs and pruned checkpoints."),
    "/api/live": _operation("Stream of events: `changed` and `points`.", media_type="text/event-stream"),
    "/api/ticket": _operation("Ticket that opens the board once in a browser."),
    "/api/openapi.json": _operation("This document."),
}
_POST: dict[str, Schema] = {
    "/api/edits": _operation(
        "Change names, notes and tags of runs, or archive runs.",
        body=_object(
            {
                "runs": _list(_KEY, MAX_RUNS),
                "set": _object(
                    {
                        "name": {"type": "string", "minLength": 1, "maxLength": 500},
                        "notes": _TEXT,
                        "add_tags": _list(_TEXT, MAX_RUNS, 0),
                        "remove_tags": _list(_TEXT, MAX_RUNS, 0),
                        "archived": {"type": "boolean"},
                    }
                ),
            },
            "runs",
            "set",
        ),
    ),
    "/api/undo": _operation("Undo a change.", body=_object({"undo": _TEXT}, "undo")),
    "/api/trash": _operation(
        "Move runs to the trash, restore them, or remove them permanently.",
        body=_object(
            {"action": _choice("put", "restore", "purge"), "runs": _list(_KEY, MAX_RUNS), "confirm": _TEXT},
            "action",
            "runs",
        ),
    ),
}
_ERROR: Schema = _object(
    {
        "what": {"type": "string", "description": "The problem."},
        "remedy": {"type": ["string", "null"], "description": "Advice that solves the problem."},
        "allowed": {"type": "array", "items": _TEXT, "description": "Values that are allowed instead."},
        "position": {
            "type": ["integer", "null"],
            "description": "Index of the invalid character in `where`.",
        },
    },
    "what",
    "remedy",
    "allowed",
    "position",
)
DOCUMENT: Schema = {
    "openapi": "3.1.0",
    "info": {
        "title": "runfolio board",
        "version": __version__,
        "description": "API of `runfolio board`. docs/board-api.md explains it. The API may change with each version.",
    },
    "security": [{"token": []}],
    "paths": {
        path: {
            **({"get": _GET[path]} if path in _GET else {}),
            **({"post": _POST[path]} if path in _POST else {}),
        }
        for path in dict.fromkeys([*_GET, *_POST])
    },
    "components": {
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        "responses": {
            "Error": {
                "description": "The request was refused.",
                "content": {JSON: {"schema": _object({"error": _ERROR}, "error")}},
            }
        },
    },
}
"""OpenAPI document. Commas separate the parts of a list in a query. A comma within a part is encoded as %2C."""


async def openapi(request: Request) -> Response:
    """Answer `GET /api/openapi.json` with the OpenAPI document."""
    return json_reply(DOCUMENT)

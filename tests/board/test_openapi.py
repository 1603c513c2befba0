"""The OpenAPI document agrees with the routes, and no request that it describes breaks the server."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import status_code_conformance

from runfolio.board.app import API
from runfolio.board.openapi import DOCUMENT

from .conftest import Board, start_board
from .http_client import Client

_SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]


def documented() -> list[tuple[str, str]]:
    return [(path, method.upper()) for path, item in DOCUMENT["paths"].items() for method in item]


def test_document_describes_each_route():
    assert sorted(documented()) == sorted((path, method) for path, method, _ in API)


def test_document_is_served(shared_board):
    assert Client(shared_board.url, shared_board.token).get("/api/openapi.json").json == DOCUMENT


@pytest.fixture(scope="module")
def changing_board(recorded_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """Server of a store that requests may change."""
    folder = tmp_path_factory.mktemp("changing")
    store = shutil.copytree(recorded_store, folder / "runs", symlinks=True)
    board = start_board(store, folder / "board.txt", env={**os.environ, "RUNFOLIO_CACHE": str(folder / "cache")})
    Client(board.url, board.token).wait_for_scan()
    yield board
    board.process.terminate()
    board.process.wait(10)


@pytest.mark.parametrize(("path", "method"), [route for route in documented() if route[0] != "/api/openapi.json"])
def test_document_has_the_parameters_that_each_route_takes(path, method, changing_board):
    client = Client(changing_board.url, changing_board.token)
    operation = DOCUMENT["paths"][path][method.lower()]
    key = client.get("/api/runs?experiment=media").json["keys"][0]
    address = path.format(key=key, sha="0" * 64, ending="csv")
    if method == "GET":
        reply = client.get(f"{address}?nope=1")
        names = {entry["name"] for entry in operation["parameters"] if entry["in"] == "query"}
    else:
        reply = client.post(address, {"nope": 1})
        names = set(operation["requestBody"]["content"]["application/json"]["schema"]["properties"])

    assert reply.status == 400
    assert set(reply.error["allowed"]) == names


def fuzzed() -> dict[str, Any]:
    """Return the document without the endless event stream and without figures, which each take a second."""
    document = copy.deepcopy(DOCUMENT)
    del document["paths"]["/api/live"]
    figure = document["paths"]["/api/figure.{ending}"]["get"]
    figure["parameters"][0]["schema"]["enum"] = ["csv", "txt"]
    return document


schema = schemathesis.openapi.from_dict(fuzzed())


@schema.parametrize()
@hypothesis.settings(max_examples=8, deadline=None, suppress_health_check=_SLOW)
def test_no_request_breaks_the_server(case, changing_board):
    headers = {"Authorization": f"Bearer {changing_board.token}"}
    checks = [not_a_server_error, status_code_conformance]
    case.call_and_validate(base_url=changing_board.url, headers=headers, checks=checks)

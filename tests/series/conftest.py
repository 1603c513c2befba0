from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def targets_of_these_tests(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)

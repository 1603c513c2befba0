"""Sections of a recorded diff, by the paths that it names."""

from __future__ import annotations

import pytest

from runfolio.reproduce.patch import sections_by_path


@pytest.mark.parametrize("path", ["a.png", "x b/x", "a b/c b/a b/c", "e", "ä.png"])
def test_path_of_a_section_without_lines_is_found(path: str):
    section = f"diff --git a/{path} b/{path}\nold mode 100644\nnew mode 100755\n".encode()
    assert sections_by_path(section + section.replace(b"a/", b"a/other ", 1)) == {path: section}


def test_path_longer_than_any_path_is_left_out():
    assert sections_by_path(b"diff --git a/x" + b" b/x" * 100_000 + b"\n") == {}

"""The filter language: any text is a filter or one clean error, and a filter survives being printed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runfolio.errors import FilterError
from runfolio.query.filter import tree
from runfolio.query.filter.parser import DEEPEST, parse
from runfolio.query.filter.tree import to_text

_plain_parts = st.from_regex(r"[A-Za-z_é]([A-Za-z0-9_/@:-]{0,6}[a-z0-9])?", fullmatch=True).filter(
    lambda part: part.lower() not in tree.KEYWORDS
)
_parts = st.lists(
    st.one_of(st.tuples(_plain_parts, st.just(False)), st.tuples(st.text(max_size=8), st.just(True))),
    min_size=1,
    max_size=3,
)
_names = _parts.map(
    lambda parts: tree.Name(tuple(part for part, _ in parts), is_quoted=tuple(quoted for _, quoted in parts))
)
_values = st.one_of(
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8), st.booleans()
).map(tree.Constant)
_operands = st.one_of(_names, _values, st.integers(-(10**6), 10**6).map(lambda seconds: tree.Now(float(seconds))))
_predicates = st.one_of(
    st.builds(tree.Compare, _operands, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), _operands),
    st.builds(tree.IsNull, _names),
    st.builds(tree.In, _operands, st.lists(_values, min_size=1, max_size=3).map(tuple)),
    st.builds(tree.Like, _names, st.text(max_size=8), st.booleans()),
    st.builds(tree.IsTrue, _names),
)


def _several(conditions: st.SearchStrategy[tree.Condition]) -> st.SearchStrategy[tuple[tree.Condition, ...]]:
    return st.lists(conditions, min_size=2, max_size=3).map(tuple)


_conditions = st.recursive(
    _predicates,
    lambda inner: st.one_of(
        st.builds(tree.Not, inner), st.builds(tree.And, _several(inner)), st.builds(tree.Or, _several(inner))
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(condition=_conditions)
def test_parsing_the_text_of_a_filter_gives_the_filter(condition: tree.Condition):
    assert parse(to_text(condition)) == condition


_words = st.sampled_from(
    ["lr", "<", "(", ")", "and", "NOT", "'a'", '"b"', "[", "]", ".", "1e-2", "in", "now", "-", "is"]
)


@settings(max_examples=200, deadline=None)
@given(text=st.one_of(st.text(max_size=40), st.lists(_words, max_size=12).map(" ".join)))
def test_any_text_is_a_filter_or_one_clean_error(text: str):
    try:
        condition = parse(text)
    except FilterError as error:
        problem, line, caret = str(error).split("\n")
        assert problem
        assert caret.strip() == "^"
        assert len(caret) <= len(line) + 1
    else:
        assert parse(to_text(condition)) == condition


@pytest.mark.parametrize(
    ("text", "problem", "at"),
    [
        ("lr < ", "expected a column, a number, a string in single quotes, true, false or now()", 5),
        ("lr < 1 x", "expected AND, OR or the end, not x", 7),
        ("name = 'net", "this quote is not closed", 7),
        ("lr IN (1, b)", "expected a number, a string in single quotes, true or false", 10),
        ("1 IS NULL", "IS NULL needs a column on its left", 0),
        ("lr < 1;--", "unexpected ';'", 6),
        ("created > now() - interval '2 moons'", "an interval is a number and a unit", 27),
    ],
)
def test_error_says_what_was_expected_and_where(text: str, problem: str, at: int):
    with pytest.raises(FilterError) as caught:
        parse(text)
    message, line, caret = str(caught.value).split("\n")
    assert message.startswith(problem)
    assert line == f"  {text}"
    assert caret.index("^") == at + 2


def test_nested_parentheses_are_bounded():
    parse("(" * DEEPEST + "lr < 1" + ")" * DEEPEST)
    for text in ("(" * 10_000, "NOT " * 2_000 + "archived"):
        with pytest.raises(FilterError, match="may be nested"):
            parse(text)


def test_filter_of_many_characters_is_refused():
    with pytest.raises(FilterError, match="at most 10,000 characters"):
        parse("lr < 1 AND " * 1_000 + "lr < 1")

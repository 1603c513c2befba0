"""Parser for filters. A regular expression splits the filter into tokens, and recursive descent builds the syntax
tree."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from runfolio.errors import FilterError
from runfolio.query.filter.tree import (
    KEYWORDS,
    And,
    Compare,
    Condition,
    Constant,
    In,
    IsNull,
    IsTrue,
    Like,
    Name,
    Not,
    Now,
    Operand,
    Operator,
    Or,
)

LONGEST = 10_000
"""Maximum length of a filter, in characters."""
DEEPEST = 20
"""Maximum nesting depth of parentheses and NOTs. A deeper filter would exceed the stack of SQLite's parser."""
_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<text>'(?:[^']|'')*')
  | (?P<quoted>"(?:[^"]|"")*")
  | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w/]))
  | (?P<name>[^\W\d](?:[\w@:/-]*\w)?(?:\.[^\W\d](?:[\w@:/-]*\w)?)*)
  | (?P<operator><=|>=|<>|!=|==|=|<|>)
  | (?P<sign>[-+])
  | (?P<mark>[()\[\],.])
    """,
    re.VERBOSE,
)
_OPERATORS: dict[str, Operator] = {
    "=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="
}  # fmt: skip
_UNIT_S = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("h", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("w", "week", "weeks"), "w"),
}
_INTERVAL = re.compile(r"\s*(\d+(?:\.\d*)?(?:e[-+]?\d+)?)\s*([a-z]+)\s*")


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


def parse(text: str) -> Condition:
    """Parse the text of a filter and return its syntax tree.

    Raises:
        FilterError: The text is not a filter.
    """
    if len(text) > LONGEST:
        raise FilterError(text, LONGEST, f"a filter has at most {LONGEST:,} characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:  # a command line may contain bytes that are not UTF-8
        raise FilterError(text, error.start, "this character is not valid Unicode") from None
    parser = _Parser(text, _tokens(text))
    condition = parser.disjunction()
    if parser.token.kind != "end":
        parser.fail("expected AND, OR or the end")
    return condition


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            problem = "this quote is not closed" if text[position] in "'\"" else f"unexpected {text[position]!r}"
            raise FilterError(text, position, problem)
        kind = str(match.lastgroup)
        if kind == "name" and match[0].lower() in KEYWORDS:
            kind = "keyword"
        if kind != "space":
            tokens.append(_Token(kind, match[0], position))
        position = match.end()
    return [*tokens, _Token("end", "", len(text))]


@dataclass
class _Parser:
    text: str
    tokens: list[_Token]
    index: int = 0
    depth: int = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.index]

    def fail(self, problem: str) -> NoReturn:
        seen = f", not {self.token.text}" if self.token.text else ""
        raise FilterError(self.text, self.token.position, f"{problem}{seen}")

    def next(self) -> _Token:
        token = self.token
        self.index += token.kind != "end"
        return token

    def accept(self, text: str) -> bool:
        """Return whether the next token is the given keyword or mark. If so, consume the token."""
        is_next = self.token.kind in ("keyword", "mark") and self.token.text.lower() == text
        self.index += is_next
        return is_next

    def expect(self, text: str) -> None:
        if not self.accept(text):
            self.fail(f"expected {text.upper()}")

    def disjunction(self) -> Condition:
        return self._chain("or", self._conjunction, Or)

    def _conjunction(self) -> Condition:
        return self._chain("and", self._negation, And)

    def _chain(self, word: str, part: Callable[[], Condition], join: type[And | Or]) -> Condition:
        conditions = [part()]
        while self.accept(word):
            conditions.append(part())
        return conditions[0] if len(conditions) == 1 else join(tuple(conditions))

    def _negation(self) -> Condition:
        if self.accept("not"):
            return Not(self._deeper(self._negation))
        if self.accept("("):
            condition = self._deeper(self.disjunction)
            self.expect(")")
            return condition
        return self._predicate()

    def _deeper(self, part: Callable[[], Condition]) -> Condition:
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail(f"at most {DEEPEST} parentheses and NOTs may be nested")
        condition = part()
        self.depth -= 1
        return condition

    def _predicate(self) -> Condition:
        left = self._operand()
        if self.token.kind == "operator":
            return Compare(left, _OPERATORS[self.next().text], self._operand())
        if self.accept("is"):
            is_negated = self.accept("not")
            self.expect("null")
            return self._maybe_not(is_negated, IsNull(self._column(left, "IS NULL")))
        is_negated = self.accept("not")
        if self.accept("in"):
            return self._maybe_not(is_negated, In(left, self._list()))
        if self.accept("between"):
            low = self._operand()
            self.expect("and")
            between = And((Compare(left, ">=", low), Compare(left, "<=", self._operand())))
            return self._maybe_not(is_negated, between)
        for word in ("like", "ilike"):
            if self.accept(word):
                like = Like(self._column(left, word.upper()), self._pattern(), word == "ilike")
                return self._maybe_not(is_negated, like)
        if is_negated:
            self.fail("expected IN, LIKE, ILIKE or BETWEEN")
        if not isinstance(left, Name):
            self.fail("expected a comparison, such as = or <")
        return IsTrue(left)

    def _maybe_not(self, is_negated: bool, condition: Condition) -> Condition:
        return Not(condition) if is_negated else condition

    def _column(self, operand: Operand, word: str) -> Name:
        if isinstance(operand, Name):
            return operand
        raise FilterError(self.text, operand.position, f"{word} needs a column on its left")

    def _pattern(self) -> str:
        if self.token.kind != "text":
            self.fail("expected a pattern in single quotes, such as 'res%'")
        return _unquote(self.next().text)

    def _list(self) -> tuple[Constant, ...]:
        self.expect("(")
        values = [self._value()]
        while self.accept(","):
            values.append(self._value())
        self.expect(")")
        return tuple(values)

    def _value(self) -> Constant:
        operand = self._operand()
        if isinstance(operand, Constant):
            return operand
        raise FilterError(self.text, operand.position, "expected a number, a string in single quotes, true or false")

    def _operand(self) -> Operand:
        token = self.token
        if token.kind == "sign":
            sign = self.next().text
            if self.token.kind != "number":
                self.fail("expected a number")
            return Constant(_number(sign + self.next().text), token.position)
        if token.kind == "number":
            return Constant(_number(self.next().text), token.position)
        if token.kind == "text":
            return Constant(_unquote(self.next().text), token.position)
        if token.kind in ("name", "quoted"):
            return self._name()
        for word, value in (("true", True), ("false", False)):
            if self.accept(word):
                return Constant(value, token.position)
        if self.accept("now"):
            self.expect("(")
            self.expect(")")
            return Now(self._offset(), token.position)
        return self.fail("expected a column, a number, a string in single quotes, true, false or now()")

    def _offset(self) -> float:
        offset_s = 0.0
        while self.token.kind == "sign":
            sign = -1 if self.next().text == "-" else 1
            self.expect("interval")
            if self.token.kind != "text":
                self.fail("expected an interval in single quotes, such as '2 days'")
            offset_s += sign * self._interval(self.next())
        return offset_s

    def _interval(self, token: _Token) -> float:
        text, seconds, position = _unquote(token.text).lower(), 0.0, 0
        while match := _INTERVAL.match(text, position):
            unit = _UNITS.get(match[2])
            if unit is None:
                break
            seconds += float(match[1]) * _UNIT_S[unit]
            position = match.end()
        if position == 0 or position < len(text):
            problem = "an interval is a number and a unit: seconds, minutes, hours, days or weeks, such as '2 days'"
            raise FilterError(self.text, token.position, problem)
        return seconds

    def _name(self) -> Name:
        position = self.token.position
        parts: list[str] = []
        is_quoted: list[bool] = []

        def add(token: _Token) -> None:
            quoted = token.kind in ("quoted", "text")
            names = [_unquote(token.text)] if quoted else token.text.split(".")
            parts.extend(names)
            is_quoted.extend([quoted] * len(names))

        add(self.next())
        while True:
            if self.accept("["):
                if self.token.kind not in ("quoted", "text"):
                    self.fail('expected a quoted name, such as ["val/acc"]')
                add(self.next())
                self.expect("]")
            elif self.accept("."):
                if self.token.kind not in ("name", "keyword", "quoted"):
                    self.fail("expected a name")
                add(self.next())
            else:
                return Name(tuple(parts), position, tuple(is_quoted))


def _unquote(token: str) -> str:
    quote = token[0]
    return token[1:-1].replace(quote * 2, quote)


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)

"""Conversion of Markdown to a tree of allowed elements. The browser builds the page from this tree without HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

ELEMENTS = frozenset({"p", "h3", "h4", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "a", "br", "hr"})
"""Elements that a tree can contain."""
MAX_LENGTH = 100_000
"""Maximum number of characters of a text that is parsed. A longer text is shown as one preformatted block."""
_MAX_DEPTH = 20
"""Maximum depth of nested blocks, such as lists and quotations, and of nested elements in a paragraph."""
_HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h4", "h4": "h4", "h5": "h4", "h6": "h4"}
"""Element for each level of heading. Headings of a text get a lower level, since the page has headings above the
text."""
_PARSER = MarkdownIt("commonmark", {"html": False, "maxNesting": 20})

Node = str | dict[str, Any]
"""Text, or an element with the fields `tag` and `children`. A link also has the field `href`."""


def markdown_tree(text: str) -> list[Node]:
    """Return the tree of a Markdown text.

    HTML remains text, images are replaced with their descriptions, and only links to http and https remain links.
    """
    if len(text) > MAX_LENGTH:
        return [_element("pre", [text])]
    return _nodes(_PARSER.parse(text))


def _nodes(tokens: Sequence[Token]) -> list[Node]:
    """Build a tree from a flat list, in which a token opens or closes an element."""
    root: list[Node] = []
    levels = [root]
    for token in tokens:
        if token.nesting < 0:
            levels.pop()
        elif token.nesting > 0 and len(levels) > _MAX_DEPTH:
            levels.append(levels[-1])
        elif token.nesting > 0:
            element = _opened(token)
            levels[-1].append(element)
            levels.append(element["children"])
        else:
            levels[-1] += _leaf(token)
    return root


def _opened(token: Token) -> dict[str, Any]:
    tag = _HEADINGS.get(token.tag, token.tag)
    address = str(token.attrGet("href") or "")
    if tag == "a" and address.startswith(("http://", "https://")):
        return {**_element("a", []), "href": address}
    return _element(tag if tag in ELEMENTS - {"a"} else "em", [])


def _leaf(token: Token) -> list[Node]:
    match token.type:
        case "inline":
            return _nodes(token.children or [])
        case "code_inline":
            return [_element("code", [token.content])]
        case "code_block" | "fence":
            return [_element("pre", [_element("code", [token.content])])]
        case "hardbreak" | "hr":
            return [_element(token.tag, [])]
        case "softbreak":
            return ["\n"]
    return [token.content] if token.content else []


def _element(tag: str, children: list[Node]) -> dict[str, Any]:
    return {"tag": tag, "children": children}

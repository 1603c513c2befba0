"""Secrets, taken out of whatever is about to be written (`docs/format.md`, Secrets).

Four signs give a secret away: the name it is given (`api_key`, `--token`), its own shape (`ghp_...`, a private key),
its place in a URL, and being the value of an environment variable with such a name. Names that mean something
harmless as often as not (`pad_token`, `image_key`) count only where the value looks random.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SECRETS = _words(
    "apikey accesskey secretkey authtoken accesstoken authorization credential credentials passcode passphrase passwd"
    " password passwords pwd secret secrets userpass"
)
"""Words that make a name secret wherever they stand in it."""
_PASSWORDS = _words("passcode passphrase passwd password pwd")
_DOUBTFUL = _words("auth key keys pass token tokens")
"""Words that make a name secret only in good company."""
_OF_A_KEY = _words(
    "access account admin api app auth client deploy encryption host license master openai private secret service"
    " shared signing ssh storage subscription wandb"
)
_OF_A_PASS = _words("admin db ftp http login mail mysql pg proxy redis root smtp sql user")
_OF_A_TOKENIZER = _words(
    "add additional begin bos class cls decoder end eos first image img last mask max mean memory min mix new next num"
    " pad per pool query register sep special start stop text unk use"
)
_ABOUT_A_SECRET = _words(
    "column count dim dims dir env field file folder format hash idx index init len length mode name names num path"
    " policy rate ratio size type url"
)
"""Last words of names that say something about a secret and do not hold it."""

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NUMBER = re.compile(r"[-+]?[\d._]+(?:e[-+]?\d+)?\Z", re.IGNORECASE)
_HARMLESS = _words(
    "any bool bytes false float int none null object off ok on optional required str string text true undefined yes no"
)


class Strength(Enum):
    """How far a name gives its value away as a secret."""

    NONE = 0
    DOUBTFUL = 1
    """A secret where it looks random."""
    SECRET = 2
    PASSWORD = 3
    """A secret even where it is a number."""


@lru_cache(maxsize=4096)
def strength_of(name: str) -> Strength:
    """What a name says of its value: `api_key`, `dbPassword` and `GITHUB_TOKEN` are secrets, `num_tokens` is not."""
    words = [word.lower() for word in _WORDS.findall(name)]
    known = {*words} & (_SECRETS | _DOUBTFUL)
    if not known or name in ("PWD", "OLDPWD"):
        return Strength.NONE
    while len(words) > 1 and (words[-1] in ("id", "value") or words[-1].isdigit()):
        words.pop()
    if words[-1] in _ABOUT_A_SECRET:
        return Strength.DOUBTFUL
    if known & _PASSWORDS:
        return Strength.PASSWORD
    if known & _SECRETS or _is_in_secret_company(words, shouted=name.isupper() and not name.startswith("_")):
        return Strength.SECRET
    return Strength.DOUBTFUL


def _is_in_secret_company(words: Sequence[str], *, shouted: bool) -> bool:
    """Whether `key`, `token` or `pass` is meant as a secret; in the name of an environment variable it mostly is."""
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if "token" in words and before not in _OF_A_TOKENIZER and (last == "token" or shouted):
        return True
    if shouted:
        return last in ("key", "pass") and before not in _OF_A_TOKENIZER
    return (last == "key" and before in _OF_A_KEY) or (last == "pass" and (not before or before in _OF_A_PASS))


def is_secret(name: str, value: str) -> bool:
    """Whether the text `value` is a secret under that name."""
    strength = strength_of(name)
    if strength is Strength.NONE or not value or value.startswith(REDACTED) or value.lower() in _HARMLESS:
        return False
    if strength is Strength.DOUBTFUL:
        return _looks_random(value)
    return strength is Strength.PASSWORD or not _NUMBER.match(value)


def _names_a_secret(name: str) -> bool:
    return strength_of(name) is not Strength.NONE


def _looks_random(value: str) -> bool:
    """16 letters and digits in a row, letters and two digits among them: no word, no name of a network or a file."""
    runs = re.findall(r"[A-Za-z0-9]{16,}", value)
    return any(not run.isdigit() and sum(map(str.isdigit, run)) >= 2 for run in runs)


def redact_mapping(values: Mapping[str, Any]) -> dict[str, Any]:
    """A config or an environment without its secrets. Texts below a secret name go; numbers and truth values stay.

    It may be changed by another thread meanwhile.
    """
    known = _values_of_environment()

    def mapping(values: Mapping[str, Any], *, secret: bool) -> dict[str, Any]:
        return {name: entry(str(name), value, secret=secret) for name, value in tuple(values.items())}

    def entry(name: str, value: Any, *, secret: bool) -> Any:
        if isinstance(value, str):
            return REDACTED if (secret and value) or is_secret(name, value) else _redacted(value, known)
        if isinstance(value, Mapping):
            return mapping(value, secret=secret or strength_of(name) in _SURE)
        if isinstance(value, (list, tuple)):
            return [entry(name, inner, secret=secret) for inner in value]
        return value

    return mapping(values, secret=False)


_SURE = (Strength.SECRET, Strength.PASSWORD)
_ASSIGNED = re.compile(r"(?P<name>-{0,2}[A-Za-z_][\w.\-]*)=(?P<value>.+)", re.DOTALL)


def redact_command(arguments: Sequence[str]) -> list[str]:
    """A command line without its secrets: `--api-key X`, `--token=X`, `password=X`, and what `redact_text` finds."""
    redacted: list[str] = []
    flag = ""
    for argument in arguments:
        assigned = _ASSIGNED.match(argument)
        if flag and not argument.startswith("-") and is_secret(flag, argument):
            redacted.append(REDACTED)
        elif assigned and is_secret(assigned["name"], assigned["value"]):
            redacted.append(f"{assigned['name']}={REDACTED}")
        else:
            redacted.append(redact_text(argument))
        flag = argument if argument.startswith("-") and not assigned else ""
    return redacted


_SHAPES = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:[\s\S]{0,20000}?-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bAIza[\w-]{35}"
    r"|\bhf_[A-Za-z0-9]{20,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|\bgithub_pat_\w{20,}"
    r"|\bglpat-[\w-]{20,}"
    r"|(?<![\w-])sk-(?=[\w-]{0,200}\d)[\w-]{20,200}"
    r"|\b[sr]k_live_[A-Za-z0-9]{16,}"
    r"|\bxox[abeoprs]-[A-Za-z0-9-]{10,}"
    r"|\bpypi-[\w-]{32,}"
    r"|\bnpm_[A-Za-z0-9]{30,}"
    r"|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"
)
_SHAPE_HINTS = _words(
    "-----BEGIN AKIA ASIA AIza hf_ ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- sk- k_live_ xox pypi- npm_ eyJ"
)
_URL_PASSWORD = re.compile(r"(?<=://)(?P<user>[^\s/@:\"']{0,200}):[^\s/@\"']{1,500}(?=@)")
_URL_USER = re.compile(r"(?<=://)[^\s/@:\"']{20,500}(?=@)")
_URL_SIGNATURE = re.compile(r"(?P<name>[?&](?:X-Amz-Signature|sig|signature)=)[^&\s\"']+", re.IGNORECASE)
_BEARER = re.compile(
    r"(?P<kind>\b(?:bearer|authorization['\"]?\s*[:=]\s*['\"]?(?:basic|token))\s+)(?=[^\s\"']{0,500}\d)[\w.~+/=-]{8,}",
    re.IGNORECASE,
)
_NAME_HINTS = ("key", "token", "secret", "pass", "pwd", "credential", "auth", "bearer")
_NAME_HINT = "|".join(_NAME_HINTS)
_NAMED = re.compile(
    rf"(?<![\w.-])(?P<name>[\w.-]{{0,60}}(?:{_NAME_HINT})[\w.-]{{0,40}})"
    r"(?:\\?[\"']?\]?(?P<sign>[ \t]{0,8}(?:=>|:=|[:=](?!=)|(?<=[\"']),)[ \t]{0,8})|(?<=\w)(?P<space>[ \t]{1,4})(?!-))"
    r"(?:(?P<prefix>[rbuf]?)(?P<quote>\"\"\"|'''|\\?\"|\\?')(?P<quoted>(?:(?!(?P=quote))(?:\\.|[^\\\n])){1,2000})(?P=quote)"
    r"|(?P<bare>[^\s\"'`,;&)\]}]{1,2000}))",
    re.IGNORECASE,
)


def redact_text(text: str) -> str:
    """Free text without its secrets: lines of a console, a traceback, code, a diff, a command line, a URL.

    Some 25 us a call, most of it for a look at the environment: many lines are better given at once. A private key is
    found where its first and last line are in the same text.
    """
    return _redacted(text, _values_of_environment())


def _redacted(text: str, known: re.Pattern[str] | None) -> str:
    if known is not None:
        text = known.sub(REDACTED, text)
    if any(hint in text for hint in _SHAPE_HINTS):
        text = _SHAPES.sub(REDACTED, text)
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\g<user>:{REDACTED}", text)
        text = _URL_USER.sub(REDACTED, text)
        text = _URL_SIGNATURE.sub(rf"\g<name>{REDACTED}", text)
    if not _names_something(text):
        return text
    return "\n".join(_redacted_line(line) if _names_something(line) else line for line in text.split("\n"))


def _names_something(text: str) -> bool:
    """Whether it is worth a closer look: most lines hold none of the words, and this is quick to see."""
    lowered = text.lower()
    return any(hint in lowered for hint in _NAME_HINTS)


def _redacted_line(line: str) -> str:
    return _NAMED.sub(_without_value, _BEARER.sub(rf"\g<kind>{REDACTED}", line))


def _without_value(found: re.Match[str]) -> str:
    part = "bare" if found["quoted"] is None else "quoted"
    value = found[part]
    if _is_placeholder(found, value) or not (_is_told(found, value) and is_secret(found["name"], value)):
        return found[0]
    start, end = (place - found.start() for place in found.span(part))
    return found[0][:start] + REDACTED + found[0][end:]


def _is_told(found: re.Match[str], value: str) -> bool:
    """Whether the name is really given this value: `name=value`, not a sentence or a list in which both stand."""
    if found["space"]:
        return found["name"].startswith("--") and any(map(str.isdigit, value))
    if found["sign"].strip() == ",":  # os.environ.get("TOKEN", "...")
        return _looks_random(value)
    return found["bare"] is None or not _is_expression(found, value)


def _is_placeholder(found: re.Match[str], value: str) -> bool:
    """`<your key>`, `${TOKEN}`, `{token}`, `%s`, `***`."""
    filled_in = bool(found["prefix"]) and found["prefix"] in "fF" and "{" in value
    return filled_in or value[0] in "<${%*#" or set(value) <= {"*", ".", "x", "X", "-"}


_CODE = re.compile(r"[(\[{]")
_WORD = re.compile(r"[A-Za-z_][A-Za-z_.]*[:?]?\Z")


def _is_expression(found: re.Match[str], value: str) -> bool:
    """Whether a value without quotes is a piece of a program (`token = tokens[i]`, `password: str`), not a text."""
    following = found.string[found.end() : found.end() + 1]
    if _CODE.search(value) or following in ("(", "["):
        return True
    if value.replace(".", "_").isidentifier() and sum(map(str.isdigit, value)) <= 1 and _names_a_secret(value):
        return True  # variables such as `token2` are called after what they hold
    if not _WORD.match(value):
        return False
    # Of words, only those are texts that stand where programs have none: `NAME=word` and `name: word`, then nothing.
    alone = following in ("", "\r") or (found["sign"] == "=" and following in (" ", "&", ";", "\t"))
    return not alone or (found["sign"] != "=" and found["sign"].strip() != ":")


def _values_of_environment() -> re.Pattern[str] | None:
    """What finds the values of this process's environment variables that are secrets by name."""
    return _any_of(tuple(_secret_values()))


def _secret_values() -> Iterator[str]:
    for name in os.environ:
        if _names_a_secret(name):
            value = os.environ.get(name, "")
            if len(value) >= 8 and is_secret(name, value):
                yield value


@lru_cache(maxsize=4)
def _any_of(values: tuple[str, ...]) -> re.Pattern[str] | None:
    longest_first = sorted(set(values), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

"""Redaction of secrets before anything is written (`docs/format.md`, Secrets).

A secret is detected by its name (`api_key`, `--token`) or its form (`ghp_...`, a private key, a webhook URL). A secret
is also detected by its position in a URL or a cookie. If an environment variable has the name of a secret, its value is
treated as a secret everywhere. For names that are often harmless (`pad_token`, `image_key`), the value is a secret only
if it looks random.
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
    " password passwords pwd secret secrets userpass cookie cookies sessionid"
)
"""Words that mark a name as secret at any position in the name."""
_URLS = _words("webhook webhooks")
"""Words that mark a name as secret if its value is a URL."""
_PASSWORDS = _words("passcode passphrase passwd password pwd")
_DOUBTFUL = _words("auth key keys pass token tokens")
"""Words that mark a name as secret only in combination with certain other words."""
_KEY_QUALIFIERS = _words(
    "access account admin anthropic api app auth aws azure client comet deploy encryption gemini host kaggle license"
    " master neptune openai private secret service shared signing ssh storage subscription wandb"
)
_PASS_QUALIFIERS = _words("admin db ftp http login mail mysql pg proxy redis root smtp sql user")
_TOKENIZER_QUALIFIERS = _words(
    "add additional begin bos class cls decoder end eos first image img last mask max mean memory min mix new next num"
    " pad per pool query register sep special start stop text unk use"
)
_METADATA_WORDS = _words(
    "column count dim dims dir domain env field file folder format hash idx index init len length mode name names num"
    " path policy rate ratio size type url"
)
"""Last words of names whose values describe a secret instead of containing it, as in `token_count`."""

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NUMBER = re.compile(r"[-+]?[\d._]+(?:e[-+]?\d+)?\Z", re.IGNORECASE)
_HARMLESS = _words(
    "any bool bytes false float int none null object off ok on optional required str string text true undefined yes no"
)


class Strength(Enum):
    """Strength of the evidence that a value is secret, based on its name."""

    NONE = 0
    DOUBTFUL = 1
    """The value is a secret if it looks random."""
    SECRET = 2
    PASSWORD = 3
    """The value is a secret even if it is a number."""
    URL = 4
    """The value is a secret if it is a URL."""


@lru_cache(maxsize=4096)
def strength_of(name: str) -> Strength:
    """Return how strongly a name indicates a secret.

    `api_key`, `dbPassword` and `GITHUB_TOKEN` indicate secrets, but `num_tokens` does not.
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    if _URLS & {*words}:
        return Strength.URL
    matches = {*words} & (_SECRETS | _DOUBTFUL)
    if not matches or name in ("PWD", "OLDPWD"):
        return Strength.NONE
    while len(words) > 1 and (words[-1] in ("id", "value") or words[-1].isdigit()):
        words.pop()
    if words[-1] in _METADATA_WORDS:
        return Strength.DOUBTFUL
    if matches & _PASSWORDS:
        return Strength.PASSWORD
    if matches & _SECRETS or _has_secret_qualifier(words, is_upper=name.isupper() and not name.startswith("_")):
        return Strength.SECRET
    return Strength.DOUBTFUL


def _has_secret_qualifier(words: Sequence[str], *, is_upper: bool) -> bool:
    """Return whether the word `key`, `token` or `pass` in a name indicates a secret.

    These words usually indicate a secret in names of environment variables.
    """
    last, previous = words[-1], words[-2] if len(words) > 1 else ""
    if "token" in words and previous not in _TOKENIZER_QUALIFIERS and (last == "token" or is_upper):
        return True
    if is_upper:
        return last in ("key", "pass") and previous not in _TOKENIZER_QUALIFIERS
    return (last == "key" and previous in _KEY_QUALIFIERS) or (
        last == "pass" and (not previous or previous in _PASS_QUALIFIERS)
    )


def is_secret(name: str, value: str) -> bool:
    """Return whether the string `value` is a secret, based on its name and its content."""
    strength = strength_of(name)
    if strength is Strength.NONE or not value or value.startswith(REDACTED) or value.lower() in _HARMLESS:
        return False
    if strength is Strength.DOUBTFUL:
        return _looks_random(value)
    if strength is Strength.URL:
        return bool(_WHOLE_URL.match(value))
    return strength is Strength.PASSWORD or not _NUMBER.match(value)


def _names_a_secret(name: str) -> bool:
    return strength_of(name) is not Strength.NONE


def _looks_random(value: str) -> bool:
    """Return whether a value contains 16 consecutive letters and digits, of which at least two are digits.

    Ordinary names contain no such sequence.
    """
    runs = re.findall(r"[A-Za-z0-9]{16,}", value)
    return any(not run.isdigit() and sum(map(str.isdigit, run)) >= 2 for run in runs)


def redact_mapping(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config or an environment without secrets. Strings under a secret name are replaced, but numbers are
    kept.

    Another thread may change the mapping at the same time.
    """
    secret_values = _environment_pattern()

    def redact_entries(values: Mapping[str, Any], *, secret: bool) -> dict[str, Any]:
        return {name: redact_value(str(name), value, secret=secret) for name, value in tuple(values.items())}

    def redact_value(name: str, value: Any, *, secret: bool) -> Any:
        if isinstance(value, str):
            return REDACTED if (secret and value) or is_secret(name, value) else _redact(value, secret_values)
        if isinstance(value, Mapping):
            return redact_entries(value, secret=secret or strength_of(name) in _CERTAIN_STRENGTHS)
        if isinstance(value, (list, tuple)):
            return [redact_value(name, inner, secret=secret) for inner in value]
        return value

    return redact_entries(values, secret=False)


_CERTAIN_STRENGTHS = (Strength.SECRET, Strength.PASSWORD)
_ASSIGNMENT = re.compile(r"(?P<name>-{0,2}[A-Za-z_][\w.\-]*)=(?P<value>.+)", re.DOTALL)


def redact_command(arguments: Sequence[str]) -> list[str]:
    """Return a command line without secrets: `--api-key X`, `--token=X`, `password=X`, and the secrets that
    `redact_text` finds."""
    redacted: list[str] = []
    flag = ""
    for argument in arguments:
        assignment = _ASSIGNMENT.match(argument)
        if flag and not argument.startswith("-") and is_secret(flag, argument):
            redacted.append(REDACTED)
        elif assignment and is_secret(assignment["name"], assignment["value"]):
            redacted.append(f"{assignment['name']}={REDACTED}")
        else:
            redacted.append(redact_text(argument))
        flag = argument if argument.startswith("-") and not assignment else ""
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
    r"|(?<!\d)\d{8,10}:AA[\w-]{33}"
)
_SHAPE_HINTS = _words(
    "-----BEGIN AKIA ASIA AIza hf_ ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- sk- k_live_ xox pypi- npm_ eyJ :AA"
)
_SECRET_PATH = re.compile(
    r"(?P<host>\bhttps?://(?:"
    r"hooks\.slack(?:-gov)?\.com/"
    r"|(?:\w+\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks/"
    r"|[\w-]+\.webhook\.office\.com/|outlook\.office(?:365)?\.com/webhook/"
    r"|chat\.googleapis\.com/v1/spaces/"
    r"|api\.telegram\.org/(?:file/)?bot"
    r"|hooks\.zapier\.com/|hook\.(?:\w+\.)?(?:make|integromat)\.com/"
    r"|maker\.ifttt\.com/trigger/"
    r"|open\.(?:feishu\.cn|larksuite\.com)/open-apis/bot/"
    r"|oapi\.dingtalk\.com/robot/|qyapi\.weixin\.qq\.com/cgi-bin/webhook/"
    r"|hc-ping\.com/|webhook\.site/|events\.pagerduty\.com/integration/|api\.day\.app/|sc(?:tapi)?\.ftqq\.com/"
    r"|[\w.-]+(?::\d+)?/webhook(?:-test)?/(?=[0-9a-f]{8}-[0-9a-f]{4}-)"
    r"|[\w.-]+(?::\d+)?/hooks/(?=[a-z0-9]{26}\b)"
    r"))[^\s\"'<>`)]+",
    re.IGNORECASE,
)
"""URLs of services that use a secret as the path."""
_WHOLE_URL = re.compile(r"\w[\w+.-]*://\S+\Z")
_COOKIE = re.compile(
    r"(?P<name>\b(?:set-)?cookie[\"']?[ \t]{0,8}:[ \t]{0,8}[\"']?)[\w.%-]{1,200}=[^\s;\"',][^\r\n\"']*", re.IGNORECASE
)
"""HTTP header with a secret, up to the end of the line or string."""
_URL_PASSWORD = re.compile(r"(?<=://)(?P<user>[^\s/@:\"']{0,200}):[^\s/@\"']{1,500}(?=@)")
_URL_USER = re.compile(r"(?<=://)[^\s/@:\"']{20,500}(?=@)")
_URL_SIGNATURE = re.compile(r"(?P<name>[?&](?:X-Amz-Signature|sig|signature)=)[^&\s\"']+", re.IGNORECASE)
_BEARER = re.compile(
    r"(?P<kind>\b(?:bearer|authorization['\"]?\s*[:=]\s*['\"]?(?:basic|token))\s+)(?=[^\s\"']{0,500}\d)[\w.~+/=-]{8,}",
    re.IGNORECASE,
)
_NAME_HINTS = ("key", "token", "secret", "pass", "pwd", "credential", "auth", "bearer", "cookie", "webhook")
_NAME_HINT = "|".join(_NAME_HINTS)
_NAMED_VALUE = re.compile(
    rf"(?<![\w.-])(?P<name>[\w.-]{{0,60}}(?:{_NAME_HINT})[\w.-]{{0,40}})"
    r"(?:\\?[\"']?\]?(?P<sign>[ \t]{0,8}(?:=>|:=|[:=](?!=)|(?<=[\"']),)[ \t]{0,8})|(?<=\w)(?P<space>[ \t]{1,4})(?!-))"
    r"(?:(?P<prefix>[rbuf]?)(?P<quote>\"\"\"|'''|\\?\"|\\?')(?P<quoted>(?:(?!(?P=quote))(?:\\.|[^\\\n])){1,2000})(?P=quote)"
    r"|(?P<bare>[^\s\"'`,;&)\]}]{1,2000}))",
    re.IGNORECASE,
)


def redact_text(text: str) -> str:
    """Return `text` without secrets. The text may be console output, a traceback, code, a diff, a command line or a
    URL.

    A call takes about 25 us, mostly to read the environment. Therefore, pass many lines at once. A private key is
    removed completely only if its first and last lines are in the same string.
    """
    return _redact(text, _environment_pattern())


def _redact(text: str, secret_values: re.Pattern[str] | None) -> str:
    if secret_values is not None:
        text = secret_values.sub(REDACTED, text)
    if any(hint in text for hint in _SHAPE_HINTS):
        text = _SHAPES.sub(REDACTED, text)
    if "://" in text:
        text = _SECRET_PATH.sub(rf"\g<host>{REDACTED}", text)
        text = _URL_PASSWORD.sub(rf"\g<user>:{REDACTED}", text)
        text = _URL_USER.sub(REDACTED, text)
        text = _URL_SIGNATURE.sub(rf"\g<name>{REDACTED}", text)
    if not _has_name_hint(text):
        return text
    return "\n".join(_redact_line(line) if _has_name_hint(line) else line for line in text.split("\n"))


def _has_name_hint(text: str) -> bool:
    """Return whether a string may contain a secret name. This test is fast and excludes most lines."""
    lowered = text.lower()
    return any(hint in lowered for hint in _NAME_HINTS)


def _redact_line(line: str) -> str:
    line = _COOKIE.sub(rf"\g<name>{REDACTED}", line)
    return _NAMED_VALUE.sub(_replace_value, _BEARER.sub(rf"\g<kind>{REDACTED}", line))


def _replace_value(match: re.Match[str]) -> str:
    part = "bare" if match["quoted"] is None else "quoted"
    value = match[part]
    if _is_placeholder(match, value) or not (_is_assignment(match, value) and is_secret(match["name"], value)):
        return match[0]
    start, end = (position - match.start() for position in match.span(part))
    return match[0][:start] + REDACTED + match[0][end:]


def _is_assignment(match: re.Match[str], value: str) -> bool:
    """Return whether a match of a secret name is an assignment (`name=value`).

    Otherwise, it is just a name next to a value in a sentence or a list.
    """
    if match["space"]:
        return match["name"].startswith("--") and any(map(str.isdigit, value))
    if match["sign"].strip() == ",":  # os.environ.get("TOKEN", "...")
        return _looks_random(value)
    return match["bare"] is None or not _is_expression(match, value)


def _is_placeholder(match: re.Match[str], value: str) -> bool:
    """Return whether a value is a placeholder: `<your key>`, `${TOKEN}`, `{token}`, `%s`, `***`."""
    filled_in = bool(match["prefix"]) and match["prefix"] in "fF" and "{" in value
    return filled_in or value[0] in "<${%*#" or set(value) <= {"*", ".", "x", "X", "-"}


_CODE = re.compile(r"[(\[{]")
_WORD = re.compile(r"[A-Za-z_][A-Za-z_.]*[:?]?\Z")


def _is_expression(match: re.Match[str], value: str) -> bool:
    """Return whether an unquoted value is program code (`token = tokens[i]`, `password: str`) instead of a string."""
    following = match.string[match.end() : match.end() + 1]
    if _CODE.search(value) or following in ("(", "["):
        return True
    if value.replace(".", "_").isidentifier() and sum(map(str.isdigit, value)) <= 1 and _names_a_secret(value):
        return True  # the value is a variable whose name also looks like a secret, such as `token2`
    if not _WORD.match(value):
        return False
    # A plain word counts as a string only in places that are not code. Such places are `NAME=word`, or `name: word` at
    # the end of a line.
    alone = following in ("", "\r") or (match["sign"] == "=" and following in (" ", "&", ";", "\t"))
    return not alone or (match["sign"] != "=" and match["sign"].strip() != ":")


def _environment_pattern() -> re.Pattern[str] | None:
    """Return a regular expression that matches the values of environment variables with secret names."""
    return _alternatives(tuple(_secret_values()))


def _secret_values() -> Iterator[str]:
    for name in os.environ:
        if _names_a_secret(name):
            value = os.environ.get(name, "")
            if len(value) >= 8 and is_secret(name, value):
                yield value


@lru_cache(maxsize=4)
def _alternatives(values: tuple[str, ...]) -> re.Pattern[str] | None:
    longest_first = sorted(set(values), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

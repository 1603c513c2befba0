"""Fetching a file over HTTP: streamed to the disk, taken up where it broke off, tried again, and whole or not there."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import orjson

from runfolio._version import __version__
from runfolio.errors import ConfigError, DownloadFailed, StoreError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_CHUNK_BYTES = 256 * 1024
_WORTH_TRYING_AGAIN = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to go on with a server that fails."""

    attempts: int = 5
    """In a row that bring not one new byte."""
    first_wait_s: float = 1.0
    """Before the second attempt; twice as long before each one after."""
    silence_s: float = 30.0
    """A connection that brings nothing for so long is given up."""


def download(url: str, path: Path, *, progress: Progress | None = None, patience: Patience | None = None) -> None:
    """Fetch `url` to `path`, which is written elsewhere first and appears whole.

    What an earlier call left in `path` + `.part` is gone on with if the server still has the same file.

    Args:
        progress: Gets a task, counted in MB, for as long as it takes.

    Raises:
        ConfigError: The address is not one of HTTP, or holds a user's name.
        DownloadFailed: It could not be fetched; the message says why and what to do.
        StoreError: The disk is full or cannot be written.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfigError(f"{url!r} is not an address that can be fetched; it must begin with http:// or https://")
    if urlsplit(url).username is not None:
        raise ConfigError(
            f"the address of {shown(url)} holds a user's name, which would be recorded with the run; "
            "fetch it by hand, and name the file"
        )
    task = progress.add_task(f"downloading {shown(url)}, MB", total=None) if progress else None
    try:
        _Download(url, path, patience or Patience(), progress, task).run()
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}; free some space, or set RUNFOLIO_CACHE") from None
    finally:
        if progress and task is not None:
            progress.remove_task(task)


def shown(url: str) -> str:
    """The address without a user's name, password or token in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class _Broken(Exception):  # noqa: N818 - a turn in the road; the last one becomes a DownloadFailed
    """An attempt that did not get to the end; another may."""


class _Refused(_Broken):
    """One for which no further attempt is worth making."""


class _Answer(NamedTuple):
    """What a server says it sends."""

    start: int
    """The first byte it sends."""
    total: int | None
    """Bytes of the whole file, where it says."""
    validator: str
    """What tells this version of the file from any other; empty where the server gives nothing of the kind."""


class _Download:
    def __init__(
        self, url: str, path: Path, patience: Patience, progress: Progress | None, task: TaskID | None
    ) -> None:
        self._url = url
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._note = path.with_name(f"{path.name}.part.json")
        """The validator of what the part is a part of."""
        self._patience = patience
        self._progress = progress
        self._task = task
        self._opener = _web_only_opener()

    def run(self) -> None:
        self._persist()
        self._part.replace(self._path)
        self._note.unlink(missing_ok=True)

    def _persist(self) -> None:
        """Try until the part is whole, or until patience is at an end."""
        in_vain = 0
        while True:
            before = self._have
            try:
                self._attempt()
                return
            except _Broken as error:
                in_vain = 1 if self._have > before else in_vain + 1
                if isinstance(error, _Refused) or in_vain >= self._patience.attempts:
                    raise DownloadFailed(f"cannot fetch {shown(self._url)}: {error}") from None
            time.sleep(self._patience.first_wait_s * 2 ** (in_vain - 1))

    @property
    def _have(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _attempt(self) -> None:
        try:
            response = self._opener.open(self._request(), timeout=self._patience.silence_s)
        except urllib.error.HTTPError as error:
            with error:
                raise self._http_failure(error) from None
        except urllib.error.URLError as error:
            raise _unreachable(error.reason, urlsplit(self._url).hostname) from None
        except (http.client.HTTPException, OSError) as error:
            raise _unreachable(error, urlsplit(self._url).hostname) from None
        with response:
            answer = _answer(response)
            if answer.start not in (0, self._have):
                self._forget()
                raise _Broken("the server sent another part of the file than was asked for; try again")
            self._check_room(answer)
            if answer.start == 0:
                self._part.unlink(missing_ok=True)
            self._note.write_bytes(orjson.dumps({"url": self._url, "validator": answer.validator}))
            self._receive(response, answer)

    def _request(self) -> urllib.request.Request:
        headers = {"User-Agent": f"runfolio/{__version__}", "Accept-Encoding": "identity"}
        if self._have and (validator := self._noted_validator()):
            # If-Range: a server whose file has changed since sends all of the new one.
            headers |= {"Range": f"bytes={self._have}-", "If-Range": validator}
        return urllib.request.Request(self._url, headers=headers)  # noqa: S310 - the scheme was checked

    def _noted_validator(self) -> str:
        try:
            note = orjson.loads(self._note.read_bytes())
            return str(note["validator"]) if note["url"] == self._url else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _http_failure(self, error: urllib.error.HTTPError) -> _Broken:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and self._have:
            self._forget()
            return _Broken("the server no longer has the file that was begun; try again")
        said = f"the server answers {error.code} {error.reason}".strip()
        if error.code in _WORTH_TRYING_AGAIN:
            return _Broken(f"{said}; try again later")
        return _Refused(f"{said}; check the address")

    def _forget(self) -> None:
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _check_room(self, answer: _Answer) -> None:
        free = shutil.disk_usage(self._path.parent).free
        if answer.total is not None and answer.total - answer.start > free:
            raise StoreError(
                f"{shown(self._url)} has {answer.total:,} bytes, but only {free:,} are free in {self._path.parent}; "
                "free some, or set RUNFOLIO_CACHE to a folder on a larger disk"
            )

    def _receive(self, response: http.client.HTTPResponse, answer: _Answer) -> None:
        have = answer.start
        with self._part.open("ab", buffering=0) as file:  # what came is there even if this process is killed
            while chunk := self._chunk(response):
                file.write(chunk)
                have += len(chunk)
                self._show(have, answer.total)
        if answer.total is not None and have != answer.total:
            raise _Broken(f"the connection broke off after {have:,} of {answer.total:,} bytes; try again")

    def _chunk(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read1(_CHUNK_BYTES)
        except (http.client.HTTPException, OSError) as error:
            raise _Broken(f"the connection broke off ({_reason(error)}); try again") from None

    def _show(self, have: int, total: int | None) -> None:
        if self._progress and self._task is not None:
            whole = None if total is None else total / 1e6
            self._progress.update(self._task, completed=have / 1e6, total=whole)


def _answer(response: http.client.HTTPResponse) -> _Answer:
    headers = response.headers
    etag = headers.get("ETag", "")
    validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
    length = headers.get("Content-Length", "")
    start, total = 0, int(length) if length.isdecimal() else None
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        sent = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
        if sent is None:
            raise _Refused("the server sent a part of the file without saying which; fetch it by hand")
        start, total = int(sent[1]), None if sent[2] == "*" else int(sent[2])
    return _Answer(start, total, validator)


def _unreachable(reason: object, host: str | None) -> _Broken:
    if isinstance(reason, socket.gaierror):
        return _Refused(f"the host {host} is not found; check the address and the network connection")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return _Refused(
            f"the certificate of {host} is not valid ({reason.verify_message}); check the address and clock"
        )
    return _Broken(f"no connection to {host} ({_reason(reason)}); check the network connection")


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "it stays silent"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).splitlines()[0]


def _web_only_opener() -> urllib.request.OpenerDirector:
    """An opener that knows no `file:` or `ftp:`, to which a server could otherwise redirect it."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener

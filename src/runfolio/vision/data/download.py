"""Download of a file over HTTP. The file is streamed to disk, and the download resumes after interruptions."""

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
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from runfolio._version import __version__
from runfolio.errors import ConfigError, DownloadFailed, StoreError
from runfolio.record.base.visible_text import visible_line
from runfolio.vision.data.transfer_watch import TOO_LONG, TOO_SLOW, TransferWatch, watched_handlers

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_CHUNK_BYTES = 256 * 1024
_RETRYABLE_STATUSES = (408, 425, 429, 500, 502, 503, 504)
_MAX_TEXT = 100
"""Maximum length of a server's text in a message, in characters."""
_SIZE = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_VALIDATOR = re.compile(r"[ -~]{1,200}")


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """Limits for servers that fail, are slow or stop sending."""

    attempts: int = 5
    """Maximum number of consecutive attempts without any received data."""
    first_wait_s: float = 1.0
    """Seconds before the second attempt. The wait doubles before each later attempt."""
    silence_s: float = 30.0
    """Seconds without data after which a connection is closed."""
    window_s: float = 60.0
    """Length of a time window in seconds. In each window, an attempt must receive `window_bytes` bytes of content.
    Headers do not count."""
    window_bytes: int = 60_000
    total_s: float = 24 * 3600.0
    """Maximum duration of all attempts together, in seconds."""


def download(url: str, path: Path, *, progress: Progress | None = None, retries: RetryPolicy | None = None) -> None:
    """Download a file. It appears at `path` only when it is complete.

    If an earlier call left a partial file (`path` + `.part`), its download continues, unless the file on the server has
    changed.

    Args:
        url: HTTP address.
        path: File to write.
        progress: Progress display, which counts MB.
        retries: Limits for servers that fail or are slow.

    Raises:
        ConfigError: The address is not an HTTP address, or contains a user name.
        DownloadFailed: The download failed; the message gives the reason and the remedy.
        StoreError: The disk is full or cannot be written.
    """
    check_address(url)
    task = progress.add_task(f"downloading {redacted_url(url)}, MB", total=None) if progress else None
    try:
        _Download(url, path, retries or RetryPolicy(), progress, task).run()
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}; free some space, or set RUNFOLIO_CACHE") from None
    finally:
        if progress and task is not None:
            progress.remove_task(task)


def check_address(url: str) -> None:
    """Check that an address is an HTTP address without a user name.

    Raises:
        ConfigError: The address is not an HTTP address, or contains a user name.
    """
    try:
        parts = urlsplit(url)
        is_web_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the address has brackets without an IPv6 address, or a port that is not a number
        is_web_address = False
    if not is_web_address:
        raise ConfigError(f"{url!r} is not a valid address; it must start with http:// or https://")
    if urlsplit(url).username is not None:
        raise ConfigError(
            f"the address of {redacted_url(url)} contains a user name, which would be recorded with the run; "
            "download the file by hand, and give its path"
        )


def redacted_url(url: str) -> str:
    """Return an address without user name, password and token."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class _TransferFailed(Exception):  # noqa: N818 - only the last failure becomes an error
    """Raised if an attempt failed and another attempt may succeed."""


class _TransferRefused(_TransferFailed):
    """Raised if another attempt would also fail."""


class _ServerResponse(NamedTuple):
    """Values from the headers of a response."""

    start: int
    """Position in the file at which the content of the response starts, in bytes."""
    total: int | None
    """Size of the whole file in bytes, or None if the server does not state the size."""
    validator: str
    """ETag or date that identifies this version of the file, or an empty string if the server sends neither."""


class _Download:
    """One download with all its attempts."""

    def __init__(
        self, url: str, path: Path, retries: RetryPolicy, progress: Progress | None, task: TaskID | None
    ) -> None:
        self._url = url
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._note = path.with_name(f"{path.name}.part.json")
        """File that stores the validator (ETag or date) of the partial file."""
        self._retries = retries
        self._progress = progress
        self._task = task
        self._ends = time.monotonic() + retries.total_s

    def run(self) -> None:
        self._try_until_complete()
        self._part.replace(self._path)
        self._note.unlink(missing_ok=True)

    def _try_until_complete(self) -> None:
        """Make attempts to download the file until it is complete or the limits are reached."""
        failures = 0
        while True:
            size_before = self._received_bytes
            try:
                self._watched_attempt()
                return
            except _TransferFailed as error:
                failures = 1 if self._received_bytes > size_before else failures + 1
                if isinstance(error, _TransferRefused) or failures >= self._retries.attempts:
                    raise DownloadFailed(f"cannot download {redacted_url(self._url)}: {error}") from None
            time.sleep(self._retries.first_wait_s * 2 ** (failures - 1))

    def _watched_attempt(self) -> None:
        """Make one attempt, and end it if it is too slow or takes too long."""
        with TransferWatch(self._retries.window_s, self._retries.window_bytes, self._ends) as watch:
            try:
                self._attempt(watch)
                if watch.verdict is not None:  # if the server states no length, content that was cut off looks complete
                    raise _TransferFailed("the connection was cut")
            except _TransferFailed:
                if watch.verdict == TOO_LONG:
                    raise _TransferRefused(
                        f"the file is not complete after {self._retries.total_s / 3600:.3g} hours; download it by "
                        "hand, and give its path"
                    ) from None
                if watch.verdict == TOO_SLOW:
                    raise _TransferFailed(
                        f"the server sends less than {self._retries.window_bytes:,} bytes in "
                        f"{self._retries.window_s:g} s; try again later, or download the file by hand, and give its "
                        "path"
                    ) from None
                raise

    @property
    def _received_bytes(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _attempt(self, watch: TransferWatch) -> None:
        try:
            response = _web_only_opener(watch).open(self._request(), timeout=self._retries.silence_s)
        except urllib.error.HTTPError as error:
            with error:
                raise self._http_failure(error) from None
        except urllib.error.URLError as error:
            raise _unreachable(error.reason, urlsplit(self._url).hostname) from None
        except (http.client.HTTPException, OSError) as error:
            raise _unreachable(error, urlsplit(self._url).hostname) from None
        except ValueError as error:  # the path or the host is not valid in a request
            raise _TransferRefused(f"the address cannot be requested ({_reason(error)}); check the address") from None
        with response:
            answer = _read_response(response)
            if answer.start not in (0, self._received_bytes):
                self._discard_part()
                raise _TransferFailed("the server sent a different part of the file than requested; try again")
            self._check_room(answer)
            if answer.start == 0:
                self._part.unlink(missing_ok=True)
            self._note.write_bytes(orjson.dumps({"url": self._url, "validator": answer.validator}))
            self._receive(response, answer, watch)

    def _request(self) -> urllib.request.Request:
        headers = {"User-Agent": f"runfolio/{__version__}", "Accept-Encoding": "identity"}
        if self._received_bytes and (validator := self._noted_validator()):
            # With If-Range, a server sends the whole file if it has changed.
            headers |= {"Range": f"bytes={self._received_bytes}-", "If-Range": validator}
        return urllib.request.Request(self._url, headers=headers)  # noqa: S310 - the scheme was checked

    def _noted_validator(self) -> str:
        try:
            note = orjson.loads(self._note.read_bytes())
            return str(note["validator"]) if note["url"] == self._url else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _http_failure(self, error: urllib.error.HTTPError) -> _TransferFailed:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and self._received_bytes:
            self._discard_part()
            return _TransferFailed("the file on the server has changed; try again")
        answer = f"the server answers {error.code} {_one_line(error.reason)}".strip()
        if error.code in _RETRYABLE_STATUSES:
            return _TransferFailed(f"{answer}; try again later")
        return _TransferRefused(f"{answer}; check the address")

    def _discard_part(self) -> None:
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _check_room(self, answer: _ServerResponse) -> None:
        if answer.total is not None and answer.total - answer.start > self._free_bytes():
            raise self._full(f"{answer.total:,}")

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._path.parent).free

    def _full(self, size: str) -> StoreError:
        return StoreError(
            f"{redacted_url(self._url)} has {size} bytes, but only {self._free_bytes():,} are free in"
            f" {self._path.parent}; free some space, or set RUNFOLIO_CACHE to a folder on a larger disk"
        )

    def _receive(self, response: http.client.HTTPResponse, answer: _ServerResponse, watch: TransferWatch) -> None:
        received = answer.start
        max_size = received + self._free_bytes() // 2  # the size of the file is unknown
        with self._part.open("ab", buffering=0) as file:  # received data is kept if this process is killed
            while chunk := self._chunk(response):
                file.write(chunk)
                received += len(chunk)
                watch.count(len(chunk))
                if answer.total is None and received > max_size:
                    self._discard_part()
                    raise self._full(f"more than {received:,}")
                self._report_progress(received, answer.total)
        if answer.total is not None and received != answer.total:
            raise _TransferFailed(f"the connection broke off after {received:,} of {answer.total:,} bytes; try again")

    def _chunk(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read1(_CHUNK_BYTES)
        except (http.client.HTTPException, OSError) as error:
            raise _TransferFailed(f"the connection broke off ({_reason(error)}); try again") from None

    def _report_progress(self, received: int, total: int | None) -> None:
        if self._progress and self._task is not None:
            total_mb = None if total is None else total / 1e6
            self._progress.update(self._task, completed=received / 1e6, total=total_mb)


def _read_response(response: http.client.HTTPResponse) -> _ServerResponse:
    headers = response.headers
    etag = headers.get("ETag", "")
    validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
    if not _VALIDATOR.fullmatch(validator):  # the validator must be safe to send in a header
        validator = ""
    length = headers.get("Content-Length")
    if length is not None and not _SIZE.fullmatch(length):
        raise _TransferRefused(f"the server states an invalid length, {_one_line(length)}; download the file by hand")
    start, total = 0, None if length is None else int(length)
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        sent = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        if sent is None or int(sent[1]) > int(sent[2]) or (sent[3] != "*" and int(sent[2]) >= int(sent[3])):
            raise _TransferRefused("the server sent an unknown part of the file; download the file by hand")
        start, total = int(sent[1]), None if sent[3] == "*" else int(sent[3])
    return _ServerResponse(start, total, validator)


def _unreachable(reason: object, host: str | None) -> _TransferFailed:
    if isinstance(reason, socket.gaierror):
        return _TransferRefused(f"the host {host} is not found; check the address and the network connection")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return _TransferRefused(
            f"the certificate of {host} is not valid ({reason.verify_message}); check the address and clock"
        )
    return _TransferFailed(f"no connection to {host} ({_reason(reason)}); check the network connection")


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return _one_line(str(error) or type(error).__name__)


def _one_line(text: str) -> str:
    """Shorten a server's text, escape unprintable characters, and return it."""
    escaped = visible_line(text[:_MAX_TEXT])
    return escaped if len(escaped) <= _MAX_TEXT and len(text) <= _MAX_TEXT else f"{escaped[:_MAX_TEXT]}..."


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Handler that refuses redirects to invalid addresses."""

    def http_error_302(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage
    ) -> Any:
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except ValueError as error:  # the address has brackets without an IPv6 address, or an invalid host or port
            fp.close()
            raise _TransferRefused(f"the server redirects to an invalid address ({_reason(error)})") from None

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _ = urlsplit(newurl).port  # this raises a ValueError if the port is invalid
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _web_only_opener(watch: TransferWatch) -> urllib.request.OpenerDirector:
    """Return an opener that does not support `file:` and `ftp:` addresses, since a server could redirect to them."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        *watched_handlers(watch),
        urllib.request.HTTPDefaultErrorHandler(),
        _CheckedRedirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener

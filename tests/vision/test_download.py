"""Downloads over HTTP, from a local server that can fail in many ways."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.progress import Progress

from runfolio.errors import ConfigError, DownloadFailed
from runfolio.vision.data import load_data
from runfolio.vision.data.download import RetryPolicy, download
from runfolio.vision.data.sources import COURSE_ZIPS

from .photos import zipped

CONTENT = zipped({"pizza": 5, "sushi": 5})
HURRIED = RetryPolicy(attempts=3, first_wait_s=0.01, silence_s=5)


class Site:
    """Server with one file under each path, and the planned failures of its next requests."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.etag = '"first"'
        self.faults: list[Callable[[BaseHTTPRequestHandler], None] | None] = []
        """Failures of the next requests in order; None and later requests succeed."""
        self.takes_ranges = True
        self.asked: list[str] = []
        """Requested range of each request; empty for the whole file."""
        self.url = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range", "")
        self.asked.append(wanted)
        if self.faults and (fault := self.faults.pop(0)):
            fault(request)
            return
        start = 0
        if wanted and self.takes_ranges and request.headers.get("If-Range") == self.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        self.begin(request, start)
        request.wfile.write(self.content[start:])

    def begin(self, request: BaseHTTPRequestHandler, start: int = 0) -> None:
        request.send_response(206 if start else 200)
        request.send_header("Content-Type", "application/zip")
        request.send_header("Content-Length", str(len(self.content) - start))
        request.send_header("ETag", self.etag)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        request.end_headers()

    def cut_after(self, count: int) -> Callable[[BaseHTTPRequestHandler], None]:
        def fault(request: BaseHTTPRequestHandler) -> None:
            self.begin(request)
            request.wfile.write(self.content[:count])
            request.close_connection = True

        return fault


def status(code: int) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda request: request.send_error(code)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request, client_address) -> None:
            pass  # clients that disconnect are part of these tests

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    site.url = f"http://127.0.0.1:{server.server_port}/food.zip"
    yield site
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetch(site: Site, tmp_path: Path) -> Callable[..., bytes]:
    """Download the file of the site, and return its content."""

    def run(progress: Progress | None = None, patience: RetryPolicy = HURRIED) -> bytes:
        download(site.url, tmp_path / "food.zip", progress=progress, retries=patience)
        return (tmp_path / "food.zip").read_bytes()

    return run


def test_a_file_comes_whole_and_nothing_else_is_left(fetch, tmp_path):
    assert fetch() == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["food.zip"]


def test_interrupted_download_is_continued(site, fetch):
    site.faults = [site.cut_after(1000)]

    assert fetch() == CONTENT
    assert site.asked == ["", "bytes=1000-"]


def test_often_interrupted_download_completes_while_it_progresses(site, fetch):
    site.takes_ranges = False
    site.faults = [site.cut_after(count) for count in range(100, 1000, 100)]

    assert fetch() == CONTENT


def test_a_server_without_ranges_sends_everything_again(site, fetch):
    site.takes_ranges = False
    site.faults = [site.cut_after(1000)]

    assert fetch() == CONTENT
    assert site.asked == ["", "bytes=1000-"]


def test_file_changed_on_the_server_is_fetched_again(site, fetch):
    def cut_and_change(request: BaseHTTPRequestHandler) -> None:
        site.cut_after(1000)(request)
        site.content, site.etag = zipped({"ramen": 3, "steak": 3}), '"second"'

    site.faults = [cut_and_change]

    assert fetch() == site.content != CONTENT


def test_what_an_earlier_call_left_is_gone_on_with(site, fetch, tmp_path):
    site.faults = [site.cut_after(1000), status(404)]
    with pytest.raises(DownloadFailed):
        fetch()
    assert not (tmp_path / "food.zip").exists()

    assert fetch() == CONTENT
    assert site.asked[-1] == "bytes=1000-"


def test_a_part_the_server_knows_nothing_of_is_thrown_away(site, fetch):
    site.faults = [site.cut_after(1000), status(416)]

    assert fetch() == CONTENT
    assert site.asked == ["", "bytes=1000-", ""]


@pytest.mark.parametrize("code", [500, 503, 429])
def test_a_server_in_trouble_is_asked_again(site, fetch, code):
    site.faults = [status(code), status(code)]

    assert fetch() == CONTENT


def test_patience_ends(site, fetch):
    site.faults = [status(500)] * 9

    with pytest.raises(DownloadFailed) as refusal:
        fetch()

    assert str(refusal.value) == (
        f"cannot download {site.url}: the server answers 500 Internal Server Error; try again later"
    )
    assert len(site.asked) == 3


def test_wrong_address_is_reported_at_once(site, fetch):
    site.faults = [status(404)]

    with pytest.raises(DownloadFailed, match="the server answers 404 Not Found; check the address"):
        fetch()
    assert len(site.asked) == 1


def test_a_server_that_falls_silent_is_given_up(site, fetch):
    over = threading.Event()

    def silence(_: BaseHTTPRequestHandler) -> None:
        over.wait(5)

    site.faults = [silence, silence]

    with pytest.raises(DownloadFailed, match=r"no connection to 127.0.0.1 .*it does not answer.*; check the network"):
        fetch(patience=RetryPolicy(attempts=2, first_wait_s=0.01, silence_s=0.1))
    over.set()


def test_a_slow_server_is_waited_for_and_its_progress_shown(site, fetch):
    seen: list[tuple[float, float | None]] = []

    def slowly(request: BaseHTTPRequestHandler) -> None:
        site.begin(request)
        for first in range(0, len(CONTENT), 500):
            request.wfile.write(CONTENT[first : first + 500])
            time.sleep(0.01)

    class Watched(Progress):
        def update(self, task_id, **fields):
            seen.append((fields["completed"], fields["total"]))
            super().update(task_id, **fields)

    site.faults = [slowly]
    with Watched(disable=True) as progress:
        assert fetch(progress=progress) == CONTENT
        assert progress.tasks == []

    assert len(seen) > 2
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT) / 1e6, len(CONTENT) / 1e6)


def test_nobody_there_is_one_clear_line(tmp_path):
    with pytest.raises(DownloadFailed) as refusal:
        download("http://127.0.0.1:1/x.zip", tmp_path / "x.zip", retries=HURRIED)

    assert str(refusal.value) == (
        "cannot download http://127.0.0.1:1/x.zip: no connection to 127.0.0.1 (Connection refused); "
        "check the network connection"
    )


def test_a_host_that_is_not_found_is_one_clear_line(tmp_path):
    with pytest.raises(DownloadFailed, match=r"the host nowhere.invalid is not found; check the address"):
        download("http://nowhere.invalid/x.zip", tmp_path / "x.zip")


def test_messages_hold_no_token_and_no_password(site, tmp_path):
    site.faults = [status(404)]
    with pytest.raises(DownloadFailed) as refusal:
        download(f"{site.url}?token=hunter2", tmp_path / "x.zip", retries=HURRIED)
    with pytest.raises(ConfigError, match="contains a user name, which would be recorded with the run") as other:
        download("https://me:hunter2@example.org/x.zip", tmp_path / "x.zip")

    assert "hunter2" not in str(refusal.value) + str(other.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/x.zip", "http://", "/etc/passwd"])
def test_only_the_web_is_fetched_from(url, tmp_path):
    with pytest.raises(ConfigError, match="is not a valid address"):
        download(url, tmp_path / "x")


def test_a_redirect_to_a_file_is_not_followed(site, fetch):
    def redirect(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", "file:///etc/passwd")
        request.end_headers()

    site.faults = [redirect]

    with pytest.raises(DownloadFailed, match="the server answers 302"):
        fetch()


IMPATIENT = RetryPolicy(attempts=2, first_wait_s=0.01, silence_s=5, window_s=0.3, window_bytes=5_000)


def dripping(*lines: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """Send lines, then the last one again and again, a few bytes at a time, as long as the client listens."""

    def fault(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"".join(lines))
        with contextlib.suppress(OSError):
            while True:
                request.wfile.write(lines[-1])
                time.sleep(0.02)

    return fault


ENDLESS = {
    "headers": dripping(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
    "one header": dripping(b"HTTP/1.1 200 OK\r\nX-A: ", b"b"),
    "continuations": dripping(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "content": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", b"PK"),
    "content without a length": dripping(b"HTTP/1.0 200 OK\r\n\r\n", b"PK"),
    "chunks": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nP\r\n"),
    "a chunk's head": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a"),
    "trailers": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n"),
}


@pytest.mark.parametrize("part", ENDLESS)
def test_server_that_drips_is_given_up(site, fetch, part, tmp_path):
    site.faults = [ENDLESS[part]] * 9
    began = time.monotonic()

    with pytest.raises(DownloadFailed) as refusal:
        fetch(patience=replace(IMPATIENT, total_s=3))

    assert str(refusal.value).startswith(f"cannot download {site.url}: ")
    assert str(refusal.value).endswith(
        "download the file by hand, and give its path"
    ) or "got more than 100 headers" in str(refusal.value)
    assert time.monotonic() - began < 20
    assert not (tmp_path / "food.zip").exists()


def test_slow_server_is_named_with_the_least_speed(site, fetch):
    site.faults = [ENDLESS["one header"]] * 2

    with pytest.raises(DownloadFailed) as refusal:
        fetch(patience=IMPATIENT)

    assert str(refusal.value) == (
        f"cannot download {site.url}: the server sends less than 5,000 bytes in 0.3 s; try again later, or"
        " download the file by hand, and give its path"
    )


def test_download_ends_when_its_time_is_up(site, fetch):
    site.faults = [site.cut_after(count) for count in range(1, 1000)]
    site.takes_ranges = False

    with pytest.raises(DownloadFailed, match=r"the file is not complete after 0\.0002\d* hours; download it by hand"):
        fetch(patience=replace(HURRIED, total_s=1, first_wait_s=0.05))


def answering(head: str, content: bytes = CONTENT) -> Callable[[BaseHTTPRequestHandler], None]:
    def fault(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + content)
        request.close_connection = True

    return fault


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (f"HTTP/1.1 200 OK\nContent-Length: {'9' * 5000}", "states an invalid length, 9999"),
        ("HTTP/1.1 200 OK\nContent-Length: -1", "states an invalid length, -1; download the file by hand"),
        ("HTTP/1.1 200 OK\nContent-Length: \xb2", "states an invalid length, \xb2"),
        (f"HTTP/1.1 206 OK\nContent-Range: bytes {'0' * 5000}-1/2", "an unknown part of the file"),
        ("HTTP/1.1 206 OK\nContent-Range: bytes 5-1/9", "an unknown part of the file"),
        ("HTTP/1.1 302 Found\nLocation: http://[::1/x", "redirects to an invalid address"),
        ("HTTP/1.1 302 Found\nLocation: http://[zz]/x", "redirects to an invalid address"),
        ("HTTP/1.1 302 Found\nLocation: http://127.0.0.1:99999999/x", "redirects to an invalid address"),
        (f"HTTP/1.1 302 Found\nLocation: http://{'a' * 70}.invalid/x", "redirects to an invalid address"),
        (f"HTTP/1.1 404 {'x' * 5000}", "the server answers 404 xxxx"),
        ("HTTP/1.1 404 \x1b]0;owned\x07\x9b31m", r"the server answers 404 \x1b]0;owned\x07\x9b31m; check"),
        ("HTTP/1.1 999999 OK", "no connection to 127.0.0.1"),
        ("SSH-2.0-OpenSSH_9.9", "no connection to 127.0.0.1"),
    ],
)
def test_lying_answer_is_one_short_line(site, fetch, head, said):
    site.faults = [answering(head)] * 3

    with pytest.raises(DownloadFailed) as refusal:
        fetch()

    assert said in str(refusal.value)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 400


def test_redirects_in_a_circle_are_reported(site, fetch):
    site.faults = [answering("HTTP/1.1 302 Found\nLocation: /food.zip", b"")] * 50

    with pytest.raises(DownloadFailed, match=r"the server answers 302 .*; check the address"):
        fetch()
    assert len(site.asked) <= 12


@pytest.mark.parametrize("etag", ['"\x00"', '"a\n b"', '"\xff"', '"' + "a" * 5000 + '"'])
def test_mark_of_a_version_that_cannot_be_sent_back_is_ignored(site, fetch, etag):
    site.faults = [answering(f"HTTP/1.1 200 OK\nETag: {etag}\nContent-Length: {len(CONTENT)}", CONTENT[:500])]

    assert fetch() == CONTENT
    assert site.asked == ["", ""]


@pytest.mark.parametrize("url", ["http://[::1/x.zip", "http://[zz]/x.zip", "http://a:b/x.zip", "http://a:99999/x.zip"])
def test_address_that_is_none_is_refused(url):
    with pytest.raises(ConfigError, match="is not a valid address"):
        load_data(f"zip:{url}")


def test_data_by_address_is_fetched_once(site):
    source = load_data(f"zip:{site.url}")
    again = load_data(f"zip:{site.url}")

    assert source.classes == again.classes == ("pizza", "sushi")
    assert len(source.train) + len(source.test) == 10
    assert len(site.asked) == 1


def test_web_page_instead_of_a_zip_is_reported_and_discarded(site):
    site.content = b"<!doctype html><title>Sign in</title>"
    with pytest.raises(DownloadFailed, match=r"food.zip is a web page, not a zip"):
        load_data(f"zip:{site.url}")

    site.content = CONTENT

    assert load_data(f"zip:{site.url}").classes == ("pizza", "sushi")


def test_a_digest_that_changed_is_refused_with_the_name_that_accepts_it(site):
    with pytest.raises(DownloadFailed) as refusal:
        load_data(f"zip:{site.url}#sha256={'0' * 64}")

    name = str(refusal.value).rpartition(" give ")[2]
    assert name == f"zip:{site.url}#sha256={hashlib.sha256(CONTENT).hexdigest()}"
    assert load_data(name).classes == ("pizza", "sushi")


LOADING = "import sys; from runfolio.vision.data import load_data; print(len(load_data(sys.argv[1]).train))"


def test_killed_download_leaves_no_partial_data_and_is_continued(site, forked, tmp_path):
    halfway, killed = threading.Event(), threading.Event()

    def stall(request: BaseHTTPRequestHandler) -> None:
        site.begin(request)
        request.wfile.write(CONTENT[:1000])
        request.wfile.flush()
        halfway.set()
        killed.wait(30)

    site.faults = [stall]
    process = forked.start("-c", LOADING, f"zip:{site.url}", cwd=tmp_path)
    assert halfway.wait(60)
    time.sleep(0.2)  # until the bytes are on the disk
    process.kill()
    process.wait()
    killed.set()

    source = load_data(f"zip:{site.url}")

    assert len(source.train) + len(source.test) == 10
    assert site.asked == ["", "bytes=1000-"]


def test_two_processes_at_once_share_one_download(site, forked, tmp_path):
    def slowly(request: BaseHTTPRequestHandler) -> None:
        time.sleep(0.5)
        site.begin(request)
        request.wfile.write(CONTENT)

    site.faults = [slowly]
    outputs = [tmp_path / "one.txt", tmp_path / "other.txt"]
    processes = []
    for path in outputs:
        with path.open("w") as output:
            command = ("-c", LOADING, f"zip:{site.url}")
            processes.append(forked.start(*command, cwd=tmp_path, stdout=output, stderr=output))

    assert [process.wait() for process in processes] == [0, 0]
    assert [path.read_text() for path in outputs] == ["8\n", "8\n"]
    assert len(site.asked) == 1


def test_the_courses_zips_are_pinned_by_digest():
    for name, source in COURSE_ZIPS.items():
        address, _, digest = source.partition("#sha256=")
        assert address.startswith("https://github.com/mrdbourke/pytorch-deep-learning/")
        assert address.endswith(f"/{name}.zip")
        assert len(digest) == 64

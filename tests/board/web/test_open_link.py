"""Link with the token, followed by a browser: from the command line, and from a page of another site."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from ..conftest import Board


@pytest.fixture
def other_site(shared_board: Board) -> Iterator[str]:
    """Serve a page under another host name that links to the board."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<a href="{shared_board.link}">board</a>'.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


def test_token_leaves_the_address_and_the_cookie_stays(browser: Browser, shared_board: Board) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(shared_board.link)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert "token" not in page.url
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("document.cookie") == ""


def test_link_on_another_site_opens_the_board(browser: Browser, shared_board: Board, other_site: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(other_site)
        page.get_by_role("link", name="board").click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.url.startswith(shared_board.url)

"""Functions that start the board's server: socket, address, token, and background threads."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import re
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from runfolio.board.app import create_app
from runfolio.board.connections import Connection
from runfolio.board.guard import MAX_QUERY, Access, host_names
from runfolio.board.running import RunningBoard, forget_board, note_board
from runfolio.board.state import BoardState
from runfolio.errors import ConfigError, StoreError

DEFAULT_PORT = 6280
_TRIED_PORTS = 20
"""Number of ports that are tried if no port is given."""
_TOKEN_BYTES = 24
_STOP_S = 1
"""Maximum number of seconds that open requests may take after the server was asked to stop."""

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class BoardOptions:
    """Options of `runfolio board`."""

    host: str = "127.0.0.1"
    port: int | None = None
    """Port number. 0 means any free port, and None means the first free port from 6280."""
    uds: Path | None = None
    """Path of a Unix socket to listen on instead of a port."""
    allowed_hosts: Sequence[str] = ()
    token: bool = True
    """True if browsers and programs must send a token."""
    read_only: bool = False
    frame_origins: Sequence[str] = ()
    """Origins of web pages that may show the board in a frame, such as `http://localhost:8888`."""

    @property
    def is_usual(self) -> bool:
        """True if all options have their default values. A running board of the same store can then be used."""
        return self == BoardOptions()


def serve(
    store: Path,
    options: BoardOptions,
    on_start: Callable[[RunningBoard], None],
    stop_when: Callable[[], Any] | None = None,
) -> None:
    """Serve the board until `stop_when` returns, or until Ctrl-C or SIGTERM.

    Args:
        store: Folder of the store.
        options: Options of the board.
        on_start: Function that is called once the server accepts connections.
        stop_when: Function that returns when the server must stop. The function is called in a thread.

    Raises:
        ConfigError: The options would let other machines read the store without a token, or one of the origins is
            invalid.
        StoreError: The address is in use, or it does not belong to this machine.
    """
    _check_address(options)
    _check_origins(options)
    listener = _listen_on_socket(options.uds) if options.uds else _listen_on_port(options)
    try:
        _serve(store, options, listener, on_start, stop_when)
    finally:
        listener.close()
        if options.uds:
            options.uds.unlink(missing_ok=True)


def _serve(
    store: Path,
    options: BoardOptions,
    listener: socket.socket,
    on_start: Callable[[RunningBoard], None],
    stop_when: Callable[[], Any] | None,
) -> None:
    board = BoardState(store, read_only=options.read_only)
    port = 0 if options.uds else listener.getsockname()[1]
    token = secrets.token_urlsafe(_TOKEN_BYTES) if options.token else None
    access = Access(
        token,
        _allowed_hosts(options),
        read_only=options.read_only,
        frame_origins=tuple(options.frame_origins),
        cookie=f"runfolio-{port}",
    )
    running = RunningBoard(
        url=_url(options, port),
        token=token,
        instance=board.instance,
        pid=os.getpid(),
        read_only=options.read_only,
        uds=str(options.uds.absolute()) if options.uds else None,
    )
    note = note_board(board.store, running)
    stop_watching = threading.Event()
    server = _Server(_config(create_app(board, access)), board.events.close)
    work = [partial(on_start, running), partial(_watch, board, stop_watching)]
    if stop_when is not None:
        work.append(partial(_stop_after, stop_when, server))
    try:
        for function in work:
            threading.Thread(target=function, daemon=True).start()
        server.run(sockets=[listener])
    finally:
        stop_watching.set()
        forget_board(note, board.instance)


def _watch(board: BoardState, stop: threading.Event) -> None:
    from runfolio.board.allocator import limit_memory
    from runfolio.board.watch import StoreWatcher  # imported here, since the first answer does not need it

    limit_memory()
    StoreWatcher(board, stop).run()


def _stop_after(stop_when: Callable[[], Any], server: _Server) -> None:
    stop_when()
    server.stop()


class _Server(uvicorn.Server):
    """Server that ends open event streams when it is asked to stop."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop the server at Ctrl-C and SIGTERM.

        Unlike uvicorn, do not raise the signal again afterwards, because the board ends without an error.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        earlier = {number: signal.signal(number, self.handle_exit) for number in signals}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._on_stop()
        super().handle_exit(sig, frame)

    def stop(self) -> None:
        """Stop the server. Any thread may call this method."""
        self._on_stop()
        self.should_exit = True


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_level="error",
        access_log=False,  # addresses may contain the token
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_STOP_S,
        h11_max_incomplete_event_size=MAX_QUERY + 32_768,
    )


def _check_address(options: BoardOptions) -> None:
    if options.uds is None and not options.token and not is_loopback(options.host):
        raise ConfigError(
            f"everybody who can reach {options.host} could read the store; omit --no-token, or listen on 127.0.0.1"
        )


def _check_origins(options: BoardOptions) -> None:
    for origin in options.frame_origins:
        if not _ORIGIN.fullmatch(origin):
            raise ConfigError(f"{origin!r} is not the origin of a web page; give SCHEME://HOST:PORT without a path")


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _allowed_hosts(options: BoardOptions) -> frozenset[str]:
    """Return the host names under which browsers may open the board, in addition to the names of this machine."""
    own = () if is_loopback(options.host) or options.host in ("0.0.0.0", "::", "") else (options.host,)  # noqa: S104
    return host_names((*own, *options.allowed_hosts)) | (
        host_names([options.host]) if is_loopback(options.host) else frozenset()
    )


def _url(options: BoardOptions, port: int) -> str:
    if options.uds:
        return f"http://localhost:{DEFAULT_PORT}"  # address at the user's end of an SSH tunnel
    host = options.host.strip("[]")
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listen_on_port(options: BoardOptions) -> socket.socket:
    host = options.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    first = DEFAULT_PORT if options.port is None else options.port
    for port in range(first, first + (_TRIED_PORTS if options.port is None else 1)):
        # asyncio sets TCP_NODELAY only if the protocol is named. Without it, most answers arrive 40 ms late.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(128)
            return listener
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE:
                raise StoreError(
                    f"cannot listen on {host}: {error.strerror}; choose another --host or --port"
                ) from None
    raise StoreError(f"port {first} of {host} is in use; choose another --port, or any free port with --port 0")


def _listen_on_socket(path: Path) -> socket.socket:
    """Listen on a Unix socket that only this user can connect to."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
        listener.listen(128)
        return listener
    except OSError as error:
        listener.close()
        raise StoreError(f"cannot create the socket {path}: {error.strerror}; choose another path with --uds") from None
    finally:
        os.umask(mask)


def ssh_line(board: RunningBoard) -> str | None:
    """Return the `ssh` command that forwards the board to the user's own machine, or None outside of an SSH session."""
    connection = os.environ.get("SSH_CONNECTION", "").split()
    if len(connection) != 4:
        return None
    server, port = connection[2], connection[3]
    own_port = board.url.rpartition(":")[2] if board.uds is None else str(DEFAULT_PORT)
    target = f"127.0.0.1:{own_port}" if board.uds is None else board.uds
    user = os.environ.get("USER") or os.environ.get("LOGNAME")
    login = f"{user}@{server}" if user else server
    return f"ssh -N{f' -p {port}' if port != '22' else ''} -L {own_port}:{target} {login}"


def has_browser() -> bool:
    """Return whether a graphical browser can be opened on this machine."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_browser(board: RunningBoard) -> bool:
    """Open the board in the user's browser, and return whether a browser was opened."""
    import webbrowser

    link = board.browser_link() if has_browser() else None
    return link is not None and webbrowser.open(link)

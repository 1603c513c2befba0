"""Files of the web app, which are read once at the start and served from memory."""

from __future__ import annotations

import base64
import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from runfolio.board.replies import ALWAYS_ASK, RefusedRequest, entity_tag, is_current

_FOLDER = Path(__file__).parent / "web"
_SHELL = "index.html"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
"""MIME type of each suffix. Files with other suffixes are not served."""
_FIRST = ("main.js", "pages/experiment/page.js")
"""JavaScript modules of the first page. Links in the HTML document make the browser load all imported modules at
once."""
_IMPORT = re.compile(r"""^\s*(?:import|export)\b(?:[^'"();]*?\bfrom)?\s*["']([^"']+)["']""", re.MULTILINE)
_IMPORT_MAP = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)
_POLICY = (
    "default-src 'none'; script-src 'self'{}; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:;"
    " connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Shell(NamedTuple):
    """HTML document for all pages whose addresses have the same number of slashes."""

    content: bytes
    policy: str
    """Content-Security-Policy. It contains the hash of the import map, which is the only inline script."""
    tag: str


class WebFiles:
    """Files of the web app in memory.

    Args:
        store: Folder of the store. The HTML document contains a digest of this path, so the browser can keep
            preferences per store.
        folder: Folder that contains the files.
    """

    def __init__(self, store: Path, folder: Path = _FOLDER) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.suffix in _TYPES and path.is_file())
        self._files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        digest = hashlib.blake2b(digest_size=6)
        for name, content in self._files.items():
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        self.digest = digest.hexdigest()
        """Digest of all files, which is part of their addresses."""
        template = (folder / _SHELL).read_text(encoding="utf-8")
        store_digest = hashlib.blake2b(str(store).encode(errors="replace"), digest_size=4).hexdigest()
        modules = _preloaded(self._files, _import_map(template))
        self._shells = {
            root: _shell(template.replace("{{store}}", store_digest), f"{root}web/{self.digest}", modules)
            for root in ("./", "../")
        }

    def shell(self, request: Request) -> Response:
        """Return the HTML document of a page."""
        shell = self._shells["./" if request.scope["path"].count("/") == 1 else "../"]
        headers = {**ALWAYS_ASK, "Content-Security-Policy": shell.policy, "ETag": shell.tag}
        if is_current(request, shell.tag):
            # Browsers replace stored headers with the headers of this answer, so the answer must contain the policy.
            return Response(status_code=304, headers=headers)
        return Response(shell.content, media_type="text/html", headers=headers)

    def file(self, digest: str, name: str) -> Response:
        """Return a file. Its address contains the digest of all files, so browsers may cache it permanently.

        Raises:
            RefusedRequest: There is no such file.
        """
        if digest != self.digest or name not in self._files:
            raise RefusedRequest(
                404, "there is no such file", "reload the page; the board was restarted with other files"
            )
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(self._files[name], media_type=_TYPES[posixpath.splitext(name)[1]], headers=headers)


def _shell(template: str, root: str, modules: list[str]) -> Shell:
    links = "\n".join(f'<link rel="modulepreload" href="{root}/{name}">' for name in modules)
    page = template.replace("{{modulepreload}}", links).replace("{{web}}", root)
    match = _IMPORT_MAP.search(page)
    digest = "" if match is None else base64.b64encode(hashlib.sha256(match[1].encode()).digest()).decode()
    content = page.encode()
    return Shell(content, _POLICY.format(f" 'sha256-{digest}'" if digest else ""), entity_tag(page))


def _import_map(template: str) -> dict[str, str]:
    """Return the import map, which maps the name of a module to its file."""
    match = _IMPORT_MAP.search(template)
    pairs = re.findall(r'"([^"]+)"\s*:\s*"\{\{web\}\}/([^"]+)"', match[1]) if match else []
    return dict(pairs)


def _preloaded(files: Mapping[str, bytes], names: Mapping[str, str]) -> list[str]:
    """Return the modules that the first page imports directly or indirectly."""
    pending, modules = [name for name in _FIRST if name in files], dict[str, None]()
    while pending:
        module = pending.pop(0)
        if module not in modules:
            modules[module] = None
            pending.extend(name for name in _imports(module, files[module], names) if name in files)
    return list(modules)


def _imports(module: str, content: bytes, names: Mapping[str, str]) -> Iterator[str]:
    for target in _IMPORT.findall(content.decode(errors="replace")):
        if target.startswith("."):
            yield posixpath.normpath(posixpath.join(posixpath.dirname(module), target))
        elif target in names:
            yield names[target]

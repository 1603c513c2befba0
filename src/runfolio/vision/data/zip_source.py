"""`zip:PATH_OR_URL`: a zip of class folders, fetched and unpacked once into the user's cache."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from runfolio.errors import ConfigError, DamagedFile, DownloadFailed, NotFound, StoreError
from runfolio.record.base import files
from runfolio.record.base.cache_folder import cache_folder
from runfolio.record.base.layout import expand_home, slug
from runfolio.vision.data.download import check_address, download, redacted_url
from runfolio.vision.data.fetch_claims import hold_claim
from runfolio.vision.data.folder import ImageFolder, open_folder
from runfolio.vision.data.unzip import extract

if TYPE_CHECKING:
    from rich.progress import Progress

_DATA_FOLDER = "data"
_DIGEST = "#sha256="


def open_zip(location: str, progress: Progress | None = None) -> ImageFolder:
    """The images of a zip; it is fetched and unpacked only where that was not done before.

    Args:
        location: A path or an address of HTTP, either with `#sha256=HEX` behind it: the zip must then have that digest.
        progress: Gets a task for the download and one for the unpacking.

    Raises:
        NotFound: There is no such file.
        ConfigError: `location` is no such thing, or the zip holds no classes of images.
        DownloadFailed: It could not be fetched, or is not what it should be.
        DamagedFile: It is no whole zip, or no safe one.
        StoreError: The disk is full or cannot be written.
    """
    zipped = _Zip.parse(location)
    target = data_folder() / f"{slug(zipped.stem)}-{zipped.key}"
    if not target.is_dir():
        try:
            _fetch_and_unpack(target, zipped, progress)
        except OSError as error:
            raise StoreError(f"cannot write {target}: {error.strerror}; set RUNFOLIO_CACHE to another folder") from None
    return open_folder(target, name=zipped.name)


def data_folder() -> Path:
    """Where fetched data is kept.

    Raises:
        ConfigError: There is no home for caches.
    """
    cache = cache_folder()
    if cache is None:
        raise ConfigError("no folder to keep fetched data in; set RUNFOLIO_CACHE to one")
    return cache / _DATA_FOLDER


@dataclass(frozen=True, kw_only=True)
class _Zip:
    location: str
    """An address, or an absolute path."""
    digest: str
    """SHA-256 it must have, in hex; empty for any."""
    remote: bool

    @classmethod
    def parse(cls, location: str) -> _Zip:
        address, marked, digest = location.partition(_DIGEST)
        digest = digest.strip().lower()
        if marked and not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ConfigError(f"{digest!r} is not a SHA-256; behind {_DIGEST} come 64 hexadecimal digits")
        if "://" in address:
            check_address(address)
            return cls(location=address, digest=digest, remote=True)
        path = expand_home(address).resolve()
        if not path.is_file():
            raise NotFound(f"no zip {path}; " + (f"did you mean folder:{path}?" if path.is_dir() else "check the path"))
        return cls(location=str(path), digest=digest, remote=False)

    @property
    def name(self) -> str:
        return f"zip:{self.location}" + (f"{_DIGEST}{self.digest}" if self.digest else "")

    @property
    def stem(self) -> str:
        return Path(unquote(urlsplit(self.location).path) if self.remote else self.location).stem

    @property
    def key(self) -> str:
        """Tells it from every other zip; a file that changes is another one."""
        parts = [self.location, self.digest]
        if not self.remote:
            status = Path(self.location).stat()
            parts += [str(status.st_size), str(status.st_mtime_ns)]
        return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:16]

    @property
    def display_name(self) -> str:
        return redacted_url(self.location) if self.remote else self.location

    def check(self, archive: Path) -> None:
        """See that the file has the digest it must have.

        Raises:
            DownloadFailed: It has not; the message says how to accept the one it has.
        """
        if self.digest and (digest := files.sha256(archive)) != self.digest:
            raise DownloadFailed(
                f"{self.display_name} has the SHA-256 {digest} instead of {self.digest}: it is damaged or was changed; "
                f"if you trust it as it is now, name it zip:{self.location}{_DIGEST}{digest}"
            )


def _fetch_and_unpack(target: Path, zipped: _Zip, progress: Progress | None) -> None:
    """Make the folder `target` of the zip's files; it appears whole."""
    with hold_claim(target.with_name(f".{target.name}.lock")) as alone:
        if target.is_dir():  # another process has been at it
            return
        own = target.name if alone else f"{target.name}-{secrets.token_hex(4)}"
        unpacked = target.with_name(f".{own}.unpacked")
        shutil.rmtree(unpacked, ignore_errors=True)  # what a killed process left
        archive = target.with_name(f".{own}.zip") if zipped.remote else Path(zipped.location)
        if zipped.remote and not archive.exists():
            download(zipped.location, archive, progress=progress)
        try:
            _check_kind(archive, zipped)
            zipped.check(archive)
            extract(archive, unpacked, label=zipped.display_name, progress=progress)
        except (DamagedFile, DownloadFailed):
            if zipped.remote:
                archive.unlink()
            raise
        if zipped.remote:
            archive.unlink()
        publish_folder(unpacked, target)


def publish_folder(unpacked: Path, target: Path) -> None:
    """Give a finished folder its name, unless a process that no lock kept away was first."""
    try:
        unpacked.rename(target)
    except OSError:
        shutil.rmtree(unpacked)
        if not target.is_dir():
            raise


def _check_kind(archive: Path, zipped: _Zip) -> None:
    """Servers answer a wrong address with a page that says so, as if it were the file."""
    with archive.open("rb") as file:
        begins = file.read(512).lstrip()
    if not begins.startswith(b"PK"):
        content = "a web page" if begins.startswith(b"<") else "something else"
        raise DownloadFailed(f"{zipped.display_name} is {content}, not a zip; look at it to see what it is")

"""Data `zip:PATH_OR_URL`: a zip of class folders, downloaded and unpacked into the cache."""

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
    """Open the images of a zip. The zip is downloaded and unpacked if it is not in the cache.

    Args:
        location: Path or HTTP address, optionally followed by `#sha256=HEX`, the required digest of the zip.
        progress: Progress display for downloading and unpacking.

    Raises:
        NotFound: The file does not exist.
        ConfigError: `location` is invalid, or the zip does not contain classes of images.
        DownloadFailed: The zip could not be downloaded, or has a different digest.
        DamagedFile: The zip is damaged or unsafe.
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
    """Return the cache folder for downloaded data.

    Raises:
        ConfigError: There is no cache folder.
    """
    cache = cache_folder()
    if cache is None:
        raise ConfigError("there is no cache folder for downloaded data; set RUNFOLIO_CACHE to a folder")
    return cache / _DATA_FOLDER


@dataclass(frozen=True, kw_only=True)
class _Zip:
    """Zip file that the user names."""

    location: str
    """URL or absolute path."""
    digest: str
    """Required SHA-256 digest in hex, or an empty string if any digest is accepted."""
    remote: bool

    @classmethod
    def parse(cls, location: str) -> _Zip:
        address, marked, digest = location.partition(_DIGEST)
        digest = digest.strip().lower()
        if marked and not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ConfigError(f"{digest!r} is not a SHA-256 digest; {_DIGEST} needs 64 hexadecimal digits")
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
        """Key of the unpacked folder in the cache. A changed file gets a new key."""
        parts = [self.location, self.digest]
        if not self.remote:
            status = Path(self.location).stat()
            parts += [str(status.st_size), str(status.st_mtime_ns)]
        return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:16]

    @property
    def display_name(self) -> str:
        return redacted_url(self.location) if self.remote else self.location

    def check(self, archive: Path) -> None:
        """Check the digest of the file.

        Raises:
            DownloadFailed: The digest is wrong; the message explains how to accept the file.
        """
        if self.digest and (digest := files.sha256(archive)) != self.digest:
            raise DownloadFailed(
                f"{self.display_name} has the SHA-256 {digest} instead of {self.digest}, so it is damaged or was "
                f"changed; if you trust it, give zip:{self.location}{_DIGEST}{digest}"
            )


def _fetch_and_unpack(target: Path, zipped: _Zip, progress: Progress | None) -> None:
    """Download and unpack a zip into the folder `target`. The folder appears only when it is complete."""
    with hold_claim(target.with_name(f".{target.name}.lock")) as is_locked:
        if target.is_dir():  # another process has unpacked the zip
            return
        name = target.name if is_locked else f"{target.name}-{secrets.token_hex(4)}"
        unpacked = target.with_name(f".{name}.unpacked")
        shutil.rmtree(unpacked, ignore_errors=True)  # a killed process left this folder behind
        archive = target.with_name(f".{name}.zip") if zipped.remote else Path(zipped.location)
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
    """Rename a complete folder to its final name, unless another process has already done so."""
    try:
        unpacked.rename(target)
    except OSError:
        shutil.rmtree(unpacked)
        if not target.is_dir():
            raise


def _check_kind(archive: Path, zipped: _Zip) -> None:
    """Check that the file is a zip. Servers may answer a wrong address with a web page.

    Raises:
        DownloadFailed: The file is not a zip.
    """
    with archive.open("rb") as file:
        start = file.read(512).lstrip()
    if not start.startswith(b"PK"):
        content = "a web page" if start.startswith(b"<") else "something else"
        raise DownloadFailed(f"{zipped.display_name} is {content}, not a zip; check the address")

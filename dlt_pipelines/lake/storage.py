"""Where the lake's files are: a folder, or an object store that fsspec knows. A file is there whole or not at all."""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol, cast

from botocore.exceptions import BotoCoreError, ClientError
from fsspec.core import url_to_fs

from echolead.settings import Settings

PART = ".part"
PIECE_BYTES = 4 * 1024 * 1024
# Of S3. Each request ends: after the time-outs, and after the tries. Most servers that are not Amazon's know nothing of
# the checksums that botocore sends by itself; the manifest has its own.
CLIENT = {
    "connect_timeout": 5,
    "read_timeout": 60,
    "retries": {"max_attempts": 4, "mode": "standard"},
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}
AWAY = (OSError, BotoCoreError, ClientError)
"""What the file systems raise: no rights, no space, no answer."""


class FileSystem(Protocol):
    """What is used of fsspec's file systems; names are without the protocol."""

    protocol: str | tuple[str, ...]

    def open(self, path: str, mode: str) -> IO[bytes]: ...
    def put_file(self, local: str, path: str) -> None: ...
    def rm_file(self, path: str) -> None: ...
    def find(self, path: str, *, detail: bool) -> Mapping[str, Mapping[str, Any]]: ...
    def makedirs(self, path: str, exist_ok: bool) -> None: ...
    def invalidate_cache(self, path: str | None = None) -> None: ...


class LakeAway(RuntimeError):
    """The lake could not be read or written; the message says where, and why."""


class Damaged(RuntimeError):
    """A file is not the one that was written; `problem` says what is wrong with it."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path} is {problem}")
        self.path = path
        self.problem = problem


class LakeStorage:
    """Files by their path below the lake's address, as in `events/tenant=acme/day=2026-03-01/17-42.parquet`."""

    def __init__(self, settings: Settings) -> None:
        self.address = settings.lake_address
        options: dict[str, Any] = {}
        if self.address.startswith("s3://"):
            options = _s3_options(settings)
        found, self.root = url_to_fs(self.address, use_listings_cache=False, **options)
        self._files = cast(FileSystem, found)
        self.is_local = "file" in self._files.protocol
        self._work = Path(self.root) if self.is_local else settings.data_dir / "lake-work"

    def located(self, path: str) -> str:
        """The whole name of a file, without the protocol."""
        return f"{self.root}/{path}"

    @contextmanager
    def writing(self, path: str) -> Iterator[Path]:
        """A local file to be written, which is put in place at the end; an earlier one of this path is replaced.

        In a folder it is on the disk then, under its name. Raises `LakeAway`.
        """
        with self._work_file() as written:
            yield written
            with self._telling(path):
                self._put(written, path)

    @contextmanager
    def reading(self, path: str) -> Iterator[IO[bytes]]:
        """The bytes of a file. Raises `LakeAway`, and `FileNotFoundError`."""
        with self._telling(path):
            file = self._files.open(self.located(path), "rb")
        with file:
            yield file

    @contextmanager
    def checked(self, path: str, size: int, sha256: str) -> Iterator[Path]:
        """A local file with the bytes of a file, once they are those that were written.

        Raises `Damaged` with what is wrong, and `LakeAway`.
        """
        if self.is_local:
            self.check(path, size, sha256)
            yield Path(self.located(path))
            return
        with self._work_file() as copy:
            with copy.open("wb") as kept:
                self.check(path, size, sha256, kept)
            yield copy

    def check(self, path: str, size: int, sha256: str, kept: IO[bytes] | None = None) -> None:
        """Read a file, which is also written to `kept`.

        Raises `Damaged` unless it is the one that was written, and `LakeAway`.
        """
        try:
            with self.reading(path) as file, self._telling(path):
                found = digest_of(file, kept)
        except FileNotFoundError as error:
            raise Damaged(path, "missing") from error
        if found != (size, sha256):
            raise Damaged(path, f"damaged: {found[0]} bytes instead of {size}" if found[0] != size else "damaged")

    def delete(self, path: str) -> None:
        """Delete a file; one that is not there is deleted. Raises `LakeAway`."""
        try:
            with self._telling(path):
                self._files.rm_file(self.located(path))
        except FileNotFoundError:
            return

    def listed(self, folder: str = "") -> dict[str, datetime]:
        """The files below a folder, by their path, with the time of their last change. Raises `LakeAway`."""
        try:
            with self._telling(folder):
                found = self._files.find(self.located(folder), detail=True)
        except FileNotFoundError:
            return {}
        return {name.removeprefix(self.root + "/"): _changed_at(each) for name, each in found.items()}

    def clear_work(self, before: datetime) -> None:
        """Delete what writers that were killed had not put in place."""
        for each in self._work.glob(f"*{PART}"):
            if datetime.fromtimestamp(each.stat().st_mtime, UTC) < before:
                each.unlink(missing_ok=True)

    @contextmanager
    def _work_file(self) -> Iterator[Path]:
        with self._telling(PART):
            self._work.mkdir(parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(suffix=PART, dir=self._work)
            os.close(number)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _put(self, written: Path, path: str) -> None:
        if not self.is_local:
            self._files.put_file(str(written), self.located(path))
            return
        place = Path(self.located(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        _sync(written)
        written.replace(place)
        for folder in (place.parent, *place.parent.parents[:3]):  # new folders are on the disk as well
            _sync(folder)

    @contextmanager
    def _telling(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except AWAY as error:
            raise LakeAway(f"{self.address}/{path}: {error}") from error


def digest_of(file: IO[bytes], kept: IO[bytes] | None = None) -> tuple[int, str]:
    """Size and SHA-256 of what is left to read, which is also written to `kept`."""
    size, digest = 0, hashlib.sha256()
    while piece := file.read(PIECE_BYTES):
        size += len(piece)
        digest.update(piece)
        if kept is not None:
            kept.write(piece)
    return size, digest.hexdigest()


def _s3_options(settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = {"config_kwargs": CLIENT}
    if settings.lake_access_key.get_secret_value():
        options["key"] = settings.lake_access_key.get_secret_value()
        options["secret"] = settings.lake_secret_key.get_secret_value()
    if settings.lake_endpoint_url:
        options["client_kwargs"] = {"endpoint_url": settings.lake_endpoint_url}
    return options


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _changed_at(found: Mapping[str, Any]) -> datetime:
    """Object stores give a time, folders seconds."""
    changed = found.get("LastModified") or found.get("mtime") or found.get("updated") or found.get("last_modified")
    if isinstance(changed, datetime):
        return changed.astimezone(UTC)
    return datetime.fromtimestamp(float(changed or 0.0), UTC)

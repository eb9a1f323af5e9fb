"""A backup in a folder: a dump of the operational database, and the lake's files. All else is computed of these two.

`backup.json` is written last: until then the folder holds the backup before, or none. A later backup into the same
folder copies the files that are new, and removes those that the lake no longer has.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clickhouse_connect.driver import exceptions as driver

from dlt_pipelines.lake.copying import LakeCopy
from dlt_pipelines.lake.manifest import FILES_LEASE, LEASE, LakeExtent, Manifest, StoredFile
from dlt_pipelines.lake.storage import Damaged, LakeStorage, digest_of
from dlt_pipelines.lease import Lease
from echolead.operational import dump
from echolead.operational.backups import CONTENT, LAKE, BackupContent, SavedFile, read_content, sealed
from echolead.private_files import write_private
from echolead.settings import Settings

PART = ".part"

OnProgress = Callable[[int, int], object]
"""Hears how many of how many bytes are copied."""


@dataclass(frozen=True)
class BackedUp:
    """How many files of the lake were copied this time, and what is wrong, by its subject."""

    copied_files: int
    problems: Mapping[str, str]


def back_up(settings: Settings, folder: Path, on_progress: OnProgress) -> BackedUp:
    """Make the folder hold everything as it is now.

    Reads all of the operational database, and of the lake the files that the folder does not have. A lake in an object
    store is only named: the store keeps it. Nothing waits for a backup but the merging of the lake's files.

    Raises `DumpFailed`, `LakeAway`, `OSError` of the folder, `psycopg.Error`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    before = read_content(folder) if (folder / CONTENT).exists() else None
    storage = LakeStorage(settings)
    saving = _Saving(storage, folder / LAKE, {each.path: each for each in before.files} if before else {})
    made_at = datetime.now(UTC)
    dumped = folder / f"postgres-{made_at:%Y%m%dT%H%M%S%f}.dump"
    with ExitStack() as held:
        files: list[StoredFile] = []
        if storage.is_local:
            url = settings.postgres_loader_url.get_secret_value()
            held.enter_context(Lease(url, FILES_LEASE))
            manifest = held.enter_context(closing(Manifest(settings)))
            saving.problems |= _copy_newest(settings, url, manifest)
        found = dump.dump(settings.postgres_system_url.get_secret_value(), dumped)
        if storage.is_local:
            files = manifest.files(LakeExtent())
        kept = saving.save(files, on_progress)
    with dumped.open("rb") as file:
        size, sha256 = digest_of(file)
    content = BackupContent(
        made_at=made_at, revision=found.revision, rows=found.rows, dump=SavedFile(dumped.name, size, sha256),
        lake_address=storage.address, has_lake=storage.is_local, files=kept, seals=sealed(settings),
    )  # fmt: skip
    write_private(folder / CONTENT, content.text())
    _clear(folder, content)
    return BackedUp(saving.copied, saving.problems)


def put_back(settings: Settings, folder: Path, on_progress: OnProgress) -> Mapping[str, str]:
    """Put the lake's files of a backup where this installation has its lake; what is there already stays.

    What is wrong, by the file: it is left out, and all others are put back. Raises `LakeAway`.
    """
    content, storage = read_content(folder), LakeStorage(settings)
    problems: dict[str, str] = {}
    done, in_all = 0, sum(each.bytes for each in content.files)
    for each in content.files:
        if not _is_there(storage, each):
            try:
                _put(folder / LAKE / each.path, storage, each)
            except Damaged as error:
                problems[each.path] = error.problem
        done += each.bytes
        on_progress(done, in_all)
    return problems


class _Saving:
    """Copies files of the lake to a folder; `known` are those of the backup before."""

    def __init__(self, storage: LakeStorage, folder: Path, known: Mapping[str, SavedFile]) -> None:
        self._storage = storage
        self._folder = folder
        self._known = known
        self.copied = 0
        self.problems: dict[str, str] = {}

    def save(self, files: list[StoredFile], on_progress: OnProgress) -> list[SavedFile]:
        """Those that the folder has then; one that is damaged is named in `problems`."""
        kept: list[SavedFile] = []
        done, in_all = 0, sum(each.bytes for each in files)
        for file in files:
            wanted = SavedFile(file.path, file.bytes, file.sha256)
            try:
                if not self._has(wanted):
                    self._copy(wanted)
                    self.copied += 1
                kept.append(wanted)
            except Damaged as error:
                self.problems[file.path] = error.problem
            done += file.bytes
            on_progress(done, in_all)
        return kept

    def _has(self, wanted: SavedFile) -> bool:
        place = self._folder / wanted.path
        return self._known.get(wanted.path) == wanted and place.exists() and place.stat().st_size == wanted.bytes

    def _copy(self, wanted: SavedFile) -> None:
        place = self._folder / wanted.path
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(place.name + PART)
        with part.open("wb") as written:
            self._storage.check(wanted.path, wanted.bytes, wanted.sha256, written)
        part.replace(place)


def _copy_newest(settings: Settings, url: str, manifest: Manifest) -> dict[str, str]:
    """Let the lake have what raw has by now. A warehouse that does not answer is no reason for no backup."""
    try:
        with Lease(url, LEASE):
            done = LakeCopy(settings, manifest).copy_all()
    except (driver.Error, OSError) as error:
        return {"warehouse": f"does not answer, so what it took in the last minute may be missing: {error}"[:500]}
    return {f"{each.source} of {each.day}": each.message for each in done.owed}


def _is_there(storage: LakeStorage, file: SavedFile) -> bool:
    try:
        storage.check(file.path, file.bytes, file.sha256)
    except Damaged:
        return False
    return True


def _put(saved: Path, storage: LakeStorage, file: SavedFile) -> None:
    if not saved.exists():
        raise Damaged(file.path, "missing in the backup")
    with storage.writing(file.path) as place, saved.open("rb") as read, place.open("wb") as written:
        if digest_of(read, written) != (file.bytes, file.sha256):
            raise Damaged(file.path, "damaged in the backup")


def _clear(folder: Path, content: BackupContent) -> None:
    """Remove what belongs to earlier backups alone."""
    for old in folder.glob("postgres-*.dump"):
        if old.name != content.dump.path:
            old.unlink()
    kept = {each.path for each in content.files}
    for file in (folder / LAKE).rglob("*"):
        if file.is_file() and file.relative_to(folder / LAKE).as_posix() not in kept:
            file.unlink()

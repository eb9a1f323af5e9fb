"""Merging the small files of a day, and removing files that nothing needs: replaced ones, left-over ones, old ones.

Readers find the rows in the old files until the manifest has the new one, and never in both.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from dlt_pipelines.lake.copying import unwatched, write
from dlt_pipelines.lake.manifest import LakeExtent, Manifest, StoredFile
from dlt_pipelines.lake.parquet import batches, folder_of
from dlt_pipelines.lake.storage import Damaged, LakeStorage
from echolead.settings import Settings

MANY_OF_TODAY = 60
"""Files of a table and tenant, as they were copied, that are merged before the day is over: about an hour's."""
MAX_ROWS_OF_A_FILE = 2_000_000
GRACE = timedelta(hours=1)
"""How long a replaced file stays for readers that have begun, and a file without an entry for its writer."""
REMOVED_AT_ONCE = 10_000
MERGED_DURING_THE_DAY, MERGED = 1, 2

log = logging.getLogger(__name__)


@dataclass
class Compacted:
    """What a compaction did. `damaged` names files because of which a day stays as it is."""

    files_before: int = 0
    files_after: int = 0
    removed: int = 0
    damaged: list[str] = field(default_factory=list)


class LakeCompaction:
    """Merges and removes files. Hold the lease `lake`. `on_step` hears `merged` before each commit."""

    def __init__(self, settings: Settings, manifest: Manifest, on_step: Callable[[str], None] = unwatched) -> None:
        self._settings = settings
        self._manifest = manifest
        self._storage = LakeStorage(settings)
        self._on_step = on_step

    def compact(self, now: datetime | None = None) -> Compacted:
        """One file of each past day, and fewer of today. Raises `LakeAway` and `psycopg.Error`.

        A day with a damaged file stays as it is and is named; the others are merged.
        """
        today = (now or datetime.now(UTC)).date()
        done = Compacted()
        for source, tenant_id, day in self._manifest.to_compact(today, MANY_OF_TODAY):
            files = self._manifest.files(LakeExtent(tenant_id, day, day), source=source)
            level = MERGED if day < today else MERGED_DURING_THE_DAY
            for group in _groups([each for each in files if each.level < level or level == MERGED]):
                try:
                    self._merge(group, level)
                except Damaged as error:
                    log.warning("the day stays as it is: %s", error)
                    done.damaged.append(str(error))
                    continue
                done.files_before += len(group)
                done.files_after += 1
        return done

    def remove(self, now: datetime | None = None) -> int:
        """Delete what nothing needs, and let go of days that the lake no longer keeps; how many files it deleted.

        Lists the folders of days that were written to in the last two days, for what a killed writer left.
        """
        at = now or datetime.now(UTC)
        if self._settings.lake_days:
            self._manifest.replace(self._manifest.before(first_day(self._settings.lake_days, at)), [])
        going = self._manifest.going(GRACE.total_seconds(), REMOVED_AT_ONCE)
        for path in going:
            self._storage.delete(path)
        self._manifest.forget(going)
        self._storage.clear_work(at - GRACE)
        left = self._left_over(at)
        for path in left:
            self._storage.delete(path)
        return len(going) + len(left)

    def _merge(self, group: Sequence[StoredFile], level: int) -> None:
        first, last = group[0], group[-1]
        merged = StoredFile(first.tenant_id, first.source, first.day, "", first.first_load, last.last_load, level=level)
        paths = [each.path for each in group]
        mark = f"-{hashlib.sha256(' '.join(paths).encode()).hexdigest()[:8]}"
        written = write(self._storage, merged, self._rows(group), mark)
        if written.rows != sum(each.rows for each in group):
            raise Damaged(written.path, f"not what it was made of: {written.rows} rows")
        self._on_step("merged")
        self._manifest.replace(paths, [written])

    def _rows(self, group: Sequence[StoredFile]) -> Iterator[pa.Table]:
        for each in group:
            with ExitStack() as open_files:
                local = open_files.enter_context(self._storage.checked(each.path, each.bytes, each.sha256))
                yield from batches(open_files.enter_context(local.open("rb")), each.source)

    def _left_over(self, now: datetime) -> list[str]:
        folders = {folder_of(*each) for each in self._manifest.written_since(now - timedelta(days=2))}
        found: dict[str, datetime] = {}
        for folder in sorted(folders):
            found |= self._storage.listed(folder)
        old = [path for path, changed_at in found.items() if changed_at < now - GRACE]
        return sorted(set(old) - self._manifest.known(old))


def _groups(files: Sequence[StoredFile]) -> Iterator[list[StoredFile]]:
    """Files that become one, in the order of their loads; a file that stays alone is left as it is."""
    group: list[StoredFile] = []
    for file in files:
        if group and sum(each.rows for each in group) + file.rows > MAX_ROWS_OF_A_FILE:
            if len(group) > 1:
                yield group
            group = []
        group.append(file)
    if len(group) > 1:
        yield group


def first_day(days: int, now: datetime) -> date:
    """The first day that is kept, of so many with today."""
    return now.date() - timedelta(days=days - 1)

"""Reading files of the lake to the end, and naming those that are not what was written."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from dlt_pipelines.lake.compaction import GRACE
from dlt_pipelines.lake.manifest import LakeExtent, Manifest, StoredFile
from dlt_pipelines.lake.storage import PART, Damaged, LakeStorage
from echolead.settings import Settings


@dataclass
class Verified:
    """What was found: files that are missing or damaged by their path, and files that the manifest does not know."""

    files: int = 0
    rows: int = 0
    bytes: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    owed: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def every(_: StoredFile) -> bool:
    """Leave no file out."""
    return True


def verify(
    settings: Settings,
    manifest: Manifest,
    extent: LakeExtent,
    on_progress: Callable[[int, int], object],
    is_chosen: Callable[[StoredFile], bool] = every,
) -> Verified:
    """Read every file of the extent that is chosen. `on_progress` hears how many of how many bytes are read.

    Raises `LakeAway` when the lake itself does not answer. Only a verification of everything lists the lake for files
    that the manifest does not know: what a killed writer left, which does not belong to the lake.
    """
    storage = LakeStorage(settings)
    files = [each for each in manifest.files(extent) if is_chosen(each)]
    in_all = sum(each.bytes for each in files)
    done = Verified()
    for each in files:
        try:
            storage.check(each.path, each.bytes, each.sha256)
        except Damaged as error:
            done.problems[each.path] = error.problem
        done.files, done.rows, done.bytes = done.files + 1, done.rows + each.rows, done.bytes + each.bytes
        on_progress(done.bytes, in_all)
    for owed in manifest.files(extent, state="owed"):
        done.owed[f"{owed.source} of tenant {owed.tenant_id or '-'} of {owed.day}"] = owed.message
    if extent.is_everything and is_chosen is every:
        done.unknown = _unknown(storage, manifest)
    return done


def _unknown(storage: LakeStorage, manifest: Manifest) -> list[str]:
    before = datetime.now(UTC) - GRACE
    there = [path for path, at in storage.listed().items() if at < before and not path.endswith(PART)]
    return sorted(set(there) - manifest.known(there))

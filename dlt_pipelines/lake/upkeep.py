"""What keeps the lake in order: merging, removing, and letting the warehouse's raw be no longer than it is to be."""

from contextlib import closing
from dataclasses import dataclass, field

from dlt_pipelines.lake.compaction import Compacted, LakeCompaction
from dlt_pipelines.lake.copying import LakeCopy
from dlt_pipelines.lake.manifest import FILES_LEASE, LEASE, Manifest
from dlt_pipelines.lake.window import trim_raw
from dlt_pipelines.lease import Lease
from echolead.settings import Settings
from echolead.warehouse import connect


@dataclass
class Tended:
    """What was merged and removed, and how many days each table of raw lost to the lake."""

    compacted: Compacted = field(default_factory=Compacted)
    days_dropped_from_raw: dict[str, int] = field(default_factory=dict)


def tend(settings: Settings) -> Tended:
    """Merge and remove files, and drop days of raw. Waits while the lake is written, or restored from.

    Raises `LakeAway`, `ManifestChanged`, and the errors of clickhouse-connect and psycopg.
    """
    url = settings.postgres_loader_url.get_secret_value()
    with Lease(url, FILES_LEASE), Lease(url, LEASE), closing(Manifest(settings)) as manifest:
        compaction = LakeCompaction(settings, manifest)
        done = Tended(compaction.compact())
        done.compacted.removed = compaction.remove()
        if settings.raw_days:
            with closing(connect(settings.clickhouse("loader"))) as client:
                LakeCopy(settings, manifest).copy_all()
                done.days_dropped_from_raw = trim_raw(settings, manifest, client)
    return done

"""The mirror of the operational tables, loaded with dlt."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dlt import DagsterDltResource, DagsterDltTranslator, dlt_assets
from dagster_dlt.translator import DltResourceTranslatorData

from dlt_pipelines import raw
from dlt_pipelines.lease import Lease
from dlt_pipelines.operational.changes import LEDGER, SNAPSHOTS
from dlt_pipelines.operational.mirror import LEASE, MIRRORED, read_changes, source
from echolead.settings import Settings

GROUP = "raw"


class ByTable(DagsterDltTranslator):
    """`raw/<table>` of the mirror comes from `operational/<table>` of PostgreSQL."""

    def get_asset_spec(self, data: DltResourceTranslatorData) -> dg.AssetSpec:
        """The asset of one table."""
        table = data.resource.name
        return (
            super()
            .get_asset_spec(data)
            .replace_attributes(
                key=dg.AssetKey(["raw", table]),
                deps=[dg.AssetKey(["operational", table])],
                group_name=GROUP,
                kinds={"dlt", "clickhouse"},
                description=f"Copy of the operational table {table}: "
                + ("whole snapshots, the newest counts." if table in SNAPSHOTS else "the newest row of a key counts."),
            )
        )


def mirror_assets(settings: Settings) -> dg.AssetsDefinition:
    """One asset a table; the same rows in the same form as the live path mirrors."""

    @dlt_assets(
        dlt_source=source({}),
        dlt_pipeline=raw.open_pipeline("operational", settings),
        name="operational_mirror",
        dagster_dlt_translator=ByTable(),
    )
    def operational_mirror(context: dg.AssetExecutionContext, dlt_resource: DagsterDltResource) -> Iterator[Any]:
        """Append what changed in PostgreSQL."""
        with Lease(settings.postgres_loader_url.get_secret_value(), LEASE):
            changes = read_changes(settings, MIRRORED)
            pipeline = raw.fresh_pipeline("operational", settings)
            pipeline.config.enable_runtime_trace = True  # dagster-dlt reads the counts there
            try:
                yield from dlt_resource.run(
                    context=context,
                    dlt_source=source(changes),
                    dlt_pipeline=pipeline,
                    loader_file_format="parquet",
                )
            finally:
                raw.close(pipeline)

    return operational_mirror


SPECS = [
    dg.AssetSpec(
        ["operational", table],
        description=f"What the operational database holds and raw has as {table}.",
        group_name="operational",
        kinds={"postgres"},
    )
    for table in MIRRORED
    if table not in LEDGER
]

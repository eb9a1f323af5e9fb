"""What Dagster runs of deals: a pull when a destination is due, and a check that none fails for long."""

import dagster as dg

from orchestration.resources import EchoLead

KEY = dg.AssetKey(["raw", "deal_records"])
INTERVAL_SECONDS = 30
"""How often it is looked whether a destination is due: a run costs seconds, this a query."""


@dg.asset(
    key=KEY,
    group_name="raw",
    kinds={"dlt", "clickhouse"},
    description="One row per state that a record of a CRM had. A destination is asked every five minutes, and when its "
    "product posts a webhook.",
)
def deal_records(echolead: EchoLead) -> dg.MaterializeResult[None]:
    """Pull the deals of the destinations that are due; what could not be pulled is named in the metadata."""
    from orchestration.deals.pulls import pull_due  # noqa: PLC0415  # the code server only describes this

    done = pull_due(echolead.settings())
    failed = dg.MetadataValue.json(done.failed)
    return dg.MaterializeResult(
        metadata={"dagster/partition_row_count": done.records, "destinations": done.destinations, "failed": failed}
    )


@dg.asset_check(asset=KEY)
def every_pull_succeeds(echolead: EchoLead) -> dg.AssetCheckResult:
    """A CRM that cannot be read for an hour: its deals are as old as that."""
    import psycopg  # noqa: PLC0415  # as above

    from echolead.operational.deals import failing_pulls  # noqa: PLC0415

    url = echolead.settings().postgres_deliveries_url.get_secret_value()
    with psycopg.connect(url, connect_timeout=5) as connection:
        failing = failing_pulls(connection)
    return dg.AssetCheckResult(
        passed=not failing,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"failing": dg.MetadataValue.json([list(map(str, each)) for each in failing])},
    )


pull_deals = dg.define_asset_job(
    "pull_deals",
    selection=dg.AssetSelection.assets(deal_records),
    executor_def=dg.in_process_executor,
    description="Deals of the CRMs that are due.",
)


@dg.sensor(
    job=pull_deals,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def pull_due_deals(echolead: EchoLead) -> dg.RunRequest | dg.SkipReason:
    """Start a pull when a destination is due and no pull is under way."""
    from orchestration.deals.pulls import is_anything_due  # noqa: PLC0415  # costs nothing without a CRM

    if is_anything_due(echolead.settings()):
        return dg.RunRequest()
    return dg.SkipReason("No CRM is due, or a pull is under way.")

"""What Dagster runs of ad spend: a pull when an account is due, and a check that none fails for long."""

import dagster as dg

from orchestration.resources import EchoLead

KEY = dg.AssetKey(["raw", "ad_spend"])
INTERVAL_SECONDS = 300
"""How often it is looked whether an account is due: a run costs seconds, this a query."""


@dg.asset(
    key=KEY,
    group_name="raw",
    kinds={"dlt", "clickhouse"},
    description="One row per campaign, day and load of an ad account; of a campaign's day the newest load counts. An "
    "account is asked every six hours, and its last 30 days are read again. Files come by `echolead spend load`.",
)
def ad_spend(echolead: EchoLead) -> dg.MaterializeResult[None]:
    """Pull the spend of the accounts that are due; what could not be pulled is named in the metadata."""
    from orchestration.spend.pulls import pull_due  # noqa: PLC0415  # the code server only describes this

    done = pull_due(echolead.settings())
    failed = dg.MetadataValue.json(done.failed)
    return dg.MaterializeResult(
        metadata={"dagster/partition_row_count": done.rows, "accounts": done.accounts, "failed": failed}
    )


@dg.asset_check(asset=KEY)
def every_account_of_spend_is_pulled(echolead: EchoLead) -> dg.AssetCheckResult:
    """An ad account that cannot be read for half a day: its cost is as old as that."""
    import psycopg  # noqa: PLC0415  # as above

    from echolead.operational.spend import failing_spend_pulls  # noqa: PLC0415

    url = echolead.settings().postgres_deliveries_url.get_secret_value()
    with psycopg.connect(url, connect_timeout=5) as connection:
        failing = failing_spend_pulls(connection)
    return dg.AssetCheckResult(
        passed=not failing,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"failing": dg.MetadataValue.json([list(map(str, each)) for each in failing])},
    )


pull_spend = dg.define_asset_job(
    "pull_spend",
    selection=dg.AssetSelection.assets(ad_spend),
    executor_def=dg.in_process_executor,
    description="Spend of the ad accounts that are due.",
)


@dg.sensor(
    job=pull_spend,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def pull_due_spend(echolead: EchoLead) -> dg.RunRequest | dg.SkipReason:
    """Start a pull when an account is due and no load is under way."""
    from orchestration.spend.pulls import is_anything_due  # noqa: PLC0415  # costs nothing without an account

    if is_anything_due(echolead.settings()):
        return dg.RunRequest()
    return dg.SkipReason("No ad account is due, or a load is under way.")

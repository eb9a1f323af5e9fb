"""What pulls of chats append, and the schedule that pulls."""

import dagster as dg

from orchestration.resources import EchoLead

JOB_NAME = "chat_pull"
EVERY_MINUTES = 5


@dg.asset(key=["raw", "chat_records"], group_name="raw", kinds={"dlt", "clickhouse"})
def chat_records(context: dg.AssetExecutionContext, echolead: EchoLead) -> dg.MaterializeResult[None]:
    """One row per record of a Chatwoot account as a pull found it, when it differs from before.

    An account that cannot be read keeps no other waiting: `echolead chat show` and the check say why.
    """
    from dlt_pipelines.chatwoot.pull import pull  # noqa: PLC0415  # the code server only describes this

    done = pull(echolead.settings())
    for each in done:
        if each.error:
            context.log.warning("%s, %s: %s", each.tenant_id, each.destination, each.error)
    return dg.MaterializeResult(
        metadata={
            "dagster/partition_row_count": sum(each.records for each in done),
            "accounts": len(done),
            "accounts_behind": sum(each.is_behind for each in done),
            "accounts_in_trouble": sum(bool(each.error) for each in done),
        }
    )


@dg.asset_check(asset=["raw", "chat_records"])
def every_account_of_chats_is_pulled(echolead: EchoLead) -> dg.AssetCheckResult:
    """Accounts of which no pull came to its end for an hour, and why."""
    import psycopg  # noqa: PLC0415  # the code server only describes this

    url = echolead.settings().postgres_deliveries_url.get_secret_value()
    with psycopg.connect(url, connect_timeout=5) as connection:
        rows = connection.execute(LATE).fetchall()
    return dg.AssetCheckResult(
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={f"{tenant_id}, {name}": str(error) for tenant_id, name, error in rows},
    )


LATE = """
select destinations.tenant_id, destinations.name, coalesce(chat_pulls.error, 'never pulled') from destinations
join tenants on tenants.tenant_id = destinations.tenant_id and tenants.is_active
left join chat_pulls on chat_pulls.destination_id = destinations.destination_id
where destinations.is_enabled and destinations.kind = 'chatwoot'
    and coalesce(chat_pulls.pulled_at, destinations.created_at) < clock_timestamp() - interval '1 hour'
order by 1, 2 limit 20
"""
ANY = "select 1 from destinations where is_enabled and kind = 'chatwoot' limit 1"

chat_pull = dg.define_asset_job(
    JOB_NAME,
    selection=dg.AssetSelection.assets(chat_records),
    description="Pulls what is new of the conversations of every Chatwoot account.",
    executor_def=dg.in_process_executor,
)


@dg.schedule(
    name="regular_chat_pull",
    job=chat_pull,
    cron_schedule=f"*/{EVERY_MINUTES} * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def regular_pull(echolead: EchoLead) -> dg.RunRequest | dg.SkipReason:
    """Nothing is started without a Chatwoot destination."""
    import psycopg  # noqa: PLC0415  # only asked for when it is due

    url = echolead.settings().postgres_deliveries_url.get_secret_value()
    with psycopg.connect(url, connect_timeout=5) as connection:
        found = connection.execute(ANY).fetchone()
    return dg.RunRequest() if found else dg.SkipReason("No tenant has a Chatwoot destination that is enabled.")

"""The ledger of deliveries: what the engine sent, and what became of it."""

from collections.abc import Iterator

import dagster as dg

from orchestration.resources import EchoLead

STUCK_MINUTES = 15


@dg.multi_asset(
    name="deliveries",
    specs=[
        dg.AssetSpec(
            ["operational", table],
            deps=[dg.AssetKey(["activation", "lead_deliveries"])],
            description=description,
            group_name="operational",
            kinds={"postgres"},
        )
        for table, description in (
            ("deliveries", "One state of one lead sent once to one destination."),
            ("delivery_attempts", "One call made for a delivery."),
        )
    ],
)
def deliveries(echolead: EchoLead) -> Iterator[dg.MaterializeResult[None]]:
    """Bring the destinations to the desired state, as the live path does after each of its turns."""
    from reverse_etl.engine import Engine  # noqa: PLC0415  # the code server only describes this

    with Engine(echolead.settings()) as engine:
        done = engine.run_once()
    counts = {name: int(count) for name, count in vars(done).items()}
    for table in ("deliveries", "delivery_attempts"):
        yield dg.MaterializeResult(["operational", table], metadata=counts)


@dg.asset_check(asset=["operational", "deliveries"])
def no_delivery_is_stuck(echolead: EchoLead) -> dg.AssetCheckResult:
    """A delivery that is neither sent nor given up after 15 minutes, and deliveries that were given up."""
    import psycopg  # noqa: PLC0415

    with psycopg.connect(
        echolead.settings().postgres_deliveries_url.get_secret_value(), connect_timeout=5
    ) as connection:
        row = connection.execute(
            "select count(*) filter (where state in ('pending', 'in_flight', 'retry')"
            " and created_at < clock_timestamp() - make_interval(mins => %s)),"
            " count(*) filter (where state = 'dead') from deliveries",
            [STUCK_MINUTES],
        ).fetchone()
    stuck, dead = row or (0, 0)
    return dg.AssetCheckResult(
        passed=stuck == 0 and dead == 0,
        severity=dg.AssetCheckSeverity.ERROR if stuck else dg.AssetCheckSeverity.WARN,
        metadata={"stuck": stuck, "dead": dead},
    )

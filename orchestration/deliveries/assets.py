"""The ledger of deliveries: what the engine sent, and what became of it."""

from collections import Counter
from collections.abc import Iterator

import dagster as dg

from orchestration.resources import EchoLead


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
    from reverse_etl.engine import DeliveryEngine  # noqa: PLC0415  # the code server only describes this

    counts: Counter[str] = Counter()
    with DeliveryEngine(echolead.settings()) as engine:
        while engine.is_behind:
            counts.update(vars(engine.run_once()))
    for table in ("deliveries", "delivery_attempts"):
        yield dg.MaterializeResult(["operational", table], metadata=dict(counts))


@dg.asset_check(asset=["operational", "deliveries"])
def no_delivery_is_stuck(echolead: EchoLead) -> dg.AssetCheckResult:
    """Deliveries that have not arrived 15 minutes after they were planned, and those that were given up."""
    import psycopg  # noqa: PLC0415  # the code server only describes this

    from echolead.operational.deliveries import deliveries_in_trouble  # noqa: PLC0415

    url = echolead.settings().postgres_deliveries_url.get_secret_value()
    with psycopg.connect(url, connect_timeout=5) as connection:
        found = deliveries_in_trouble(connection)
    is_stuck = bool(found.stuck or found.stuck_withdrawals)
    return dg.AssetCheckResult(
        passed=not any(found),
        severity=dg.AssetCheckSeverity.ERROR if is_stuck else dg.AssetCheckSeverity.WARN,
        metadata=found._asdict(),
    )

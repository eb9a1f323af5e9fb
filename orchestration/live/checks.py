"""Whether the live path goes well: a check that the live run evaluates whenever a step begins or ceases to fail."""

from collections.abc import Collection

import dagster as dg

from orchestration.resources import EchoLead

ASSET = dg.AssetKey(["activation", "lead_deliveries"])
CHECK = "every_step_succeeds"


def evaluation(failing: Collection[str]) -> dg.AssetCheckEvaluation:
    """The check as the live run sees it; `failing` are the names of steps."""
    return dg.AssetCheckEvaluation(
        ASSET, CHECK, passed=not failing, metadata={"failing": sorted(failing)}, severity=dg.AssetCheckSeverity.ERROR
    )


@dg.asset_check(asset=ASSET, name=CHECK)
def every_step_succeeds(echolead: EchoLead) -> dg.AssetCheckResult:
    """Each step of the live path succeeds, and the path does not stand still; `echolead doctor` says what to do."""
    import psycopg  # noqa: PLC0415  # the code server only describes this

    from echolead.operational.live_steps import trouble  # noqa: PLC0415

    url = echolead.settings().postgres_loader_url.get_secret_value()
    with psycopg.connect(url, connect_timeout=5) as connection:
        found = trouble(connection)
    return dg.AssetCheckResult(passed=not found, metadata={"failing": found})

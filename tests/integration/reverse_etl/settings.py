"""The engine's settings in these tests, also for engines in other processes: no pytest in here."""

from dataclasses import replace

from pydantic import SecretStr

from echolead.settings import Settings
from reverse_etl.lane import Policy

# As tests.fixtures.operational.SECRET_KEY, which cannot be imported without pytest's fixtures.
SECRET_KEY = "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk="
# Fast enough for tests; a destination's limits are tested by themselves.
QUICK = Policy(
    lease_seconds=3.0,
    attempt_seconds=2.0,
    retry_base_seconds=0.02,
    retry_cap_seconds=0.1,
    max_attempts=60,
    plan_pace=0.0002,
    breaker_seconds=0.1,
    breaker_longest_seconds=0.3,
    requests_per_second=1000,
    coalesce_seconds=0.0,
    patience_seconds=5.0,
    set_aside_seconds=1.0,
)
# Of an engine that is not killed: on a busy machine three seconds can pass before it has written what it did.
UNKILLED = replace(QUICK, lease_seconds=60.0)


def settings_of(urls: dict[str, str]) -> Settings:
    """Settings with these addresses: `clickhouse_url`, `postgres_deliveries_url`, `postgres_app_url`."""
    return Settings(
        **{name: SecretStr(url) for name, url in urls.items()},  # type: ignore[arg-type]  # three addresses
        destination_secret_keys=SecretStr(SECRET_KEY),
        allow_private_destinations=True,
        console_url="https://console.test",
    )

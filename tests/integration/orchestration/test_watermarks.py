"""What the live path asks PostgreSQL each turn: every change shows where it belongs, and nothing else shows."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict

import psycopg
import pytest
from sqlalchemy import Engine, text

from echolead.operational.database import connect, system_session
from echolead.operational.provision import OperationalUrls
from echolead.settings import Settings
from orchestration.live.watermarks import WatermarkReader
from tests.fixtures.operational import make_destination, make_tenant

INSERT_DELIVERY = """
insert into deliveries (tenant_id, destination_id, lead_id, payload_hash, payload)
select tenant_id, destination_id, 'lead-{0}', '{0}', '{{}}' from destinations
"""
INSERT_ATTEMPT = """
insert into delivery_attempts (tenant_id, delivery_id, attempt, operation, outcome)
select tenant_id, delivery_id, 1, 'create', 'ok' from deliveries limit 1
"""

REQUEST = "insert into warehouse_requests (tenant_id, kind, requested_by) values ('acme', 'replay', 'test')"


@pytest.fixture
def database(empty_operational_urls: OperationalUrls) -> Iterator[Engine]:
    """A tenant with two hosts, two destinations and a failing step, a request; two deliveries of which none is due."""
    engine = connect(empty_operational_urls.system)
    make_tenant(engine, "acme", hosts=["lp.acme.test", "acme.test"])
    make_destination(engine, "acme")
    do(engine, INSERT_DELIVERY.format(1), INSERT_DELIVERY.format(2))
    do(engine, "update deliveries set state = 'verified', next_attempt_at = null", INSERT_ATTEMPT)
    do(engine, "insert into live_steps (step, failing_since, message) values ('model marts.leads', now(), 'boom')")
    do(engine, REQUEST)
    yield engine
    engine.dispose()


@pytest.fixture
def reader(database: Engine, empty_operational_urls: OperationalUrls) -> Iterator[WatermarkReader]:
    with closing(WatermarkReader(Settings(postgres_loader_url=empty_operational_urls.loader))) as reader:
        yield reader


def do(engine: Engine, *statements: str) -> None:
    for statement in statements:
        with system_session(engine) as session:
            session.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        pytest.param("select 1", set(), id="nothing"),
        pytest.param(
            "insert into tenants (tenant_id, name) values ('bravo', 'B')", {"configuration"}, id="a new tenant"
        ),
        pytest.param("update tenants set timezone = 'UTC'", {"configuration"}, id="a tenant's time zone"),
        pytest.param(
            "insert into tenant_hosts (tenant_id, host) values ('acme', 'x.test')", {"configuration"}, id="a new host"
        ),
        pytest.param("delete from tenant_hosts where host = 'acme.test'", {"configuration"}, id="a host that went"),
        pytest.param(
            "insert into tenant_rates (tenant_id, currency, from_date, rate) values ('acme', 'USD', '2026-01-01', 5)",
            {"configuration"},
            id="a rate",
        ),
        pytest.param("update destinations set is_enabled = false", {"configuration"}, id="a destination switched off"),
        pytest.param(
            "insert into channel_rules (tenant_id, position, channel, conditions) values ('acme', 1, 'Own', '[]')",
            {"configuration"},
            id="a channel of the tenant's own",
        ),
        pytest.param(
            "insert into excluded_referrers (tenant_id, host) values ('acme', 'pay.test')",
            {"configuration"},
            id="a host that is no source",
        ),
        pytest.param(
            "insert into lead_rule_sets (tenant_id, version, document, source, rules, digest, author, reason)"
            " values ('acme', 1, '{}', '', '[]', '', 'x', 'y')",
            {"configuration"},
            id="a version of rules",
        ),
        pytest.param(
            "insert into business_hours (tenant_id, document) values ('acme', '{}')",
            {"configuration"},
            id="business hours",
        ),
        pytest.param("update live_steps set failing_since = null", {"failures"}, id="a step that goes well again"),
        pytest.param("update live_steps set message = 'bang'", {"failures"}, id="another message"),
        pytest.param("update live_steps set event_id = 'e'", {"failures"}, id="the event that was found"),
        pytest.param("update live_steps set failures = 2, failed_at = now()", set(), id="one more try of a step"),
        pytest.param("insert into live_steps (step, succeeded_at) values ('turn', now())", set(), id="a turn's end"),
        pytest.param(REQUEST, {"requests"}, id="a request"),
        pytest.param("update warehouse_requests set position = 'v', pieces = 1", set(), id="a piece of a request"),
        pytest.param("update warehouse_requests set state = 'running'", set(), id="a request that begins"),
        pytest.param("update warehouse_requests set state = 'stopped'", {"requests"}, id="a request that is stopped"),
        pytest.param("update warehouse_requests set state = 'done'", {"requests"}, id="a request that is done"),
        pytest.param(
            "insert into lead_decisions (tenant_id, kind, lead_id, other_lead_id, decided_by, reason)"
            " values ('acme', 'merge', 'a', 'b', 'x', 'y')",
            {"requests"},
            id="a decision about leads",
        ),
        pytest.param(
            "insert into quarantine (tenant_id, step, message, models_version) values ('acme', 's', 'm', '1')",
            {"requests"},
            id="a quarantine",
        ),
        pytest.param("update deliveries set last_error = 'x' where lead_id = 'lead-1'", {"ledger"}, id="a delivery"),
        pytest.param(INSERT_ATTEMPT, {"ledger"}, id="an attempt"),
        pytest.param(INSERT_DELIVERY.format(3), {"ledger", "is_delivery_due"}, id="a new delivery"),
        pytest.param(
            "insert into resyncs (tenant_id, requested_by) values ('acme', 'x')", {"is_delivery_due"}, id="a re-sync"
        ),
    ],
)
def test_a_change_shows_where_it_belongs(
    database: Engine, reader: WatermarkReader, statement: str, changed: set[str]
) -> None:
    before = asdict(reader.read())
    do(database, statement)
    after = asdict(reader.read())
    assert {name for name in before if before[name] != after[name]} == changed


@pytest.mark.parametrize("state", ["pending", "retry", "delivered", "in_flight"])
@pytest.mark.parametrize(
    ("next_attempt_at", "is_due"),
    [
        pytest.param("now() - interval '1 s'", True, id="now"),
        pytest.param("now() + interval '1 h'", False, id="later"),
        pytest.param("null", False, id="never"),
    ],
)
def test_a_delivery_is_due_when_its_next_attempt_is(
    database: Engine, reader: WatermarkReader, state: str, next_attempt_at: str, is_due: bool
) -> None:
    do(database, f"update deliveries set state = '{state}', next_attempt_at = {next_attempt_at}")
    assert reader.read().is_delivery_due is is_due


@pytest.mark.parametrize("state", ["verified", "dead", "withheld", "superseded"])
def test_what_has_come_to_its_end_is_not_due(database: Engine, reader: WatermarkReader, state: str) -> None:
    do(database, f"update deliveries set state = '{state}', next_attempt_at = now() - interval '1 s'")
    assert not reader.read().is_delivery_due


def test_after_its_connection_was_cut_it_reads_again(
    database: Engine, reader: WatermarkReader, empty_operational_urls: OperationalUrls
) -> None:
    before = reader.read()
    same_role = connect(empty_operational_urls.loader)
    do(
        same_role,
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'echolead live watermarks'",
    )
    same_role.dispose()
    with pytest.raises(psycopg.OperationalError):
        reader.read()
    assert reader.read() == before

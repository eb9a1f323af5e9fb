"""The operational tables in raw: snapshots of the configuration when it changed, each state of the ledger once."""

import json
import threading
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from clickhouse_connect.driver.client import Client
from sqlalchemy import Engine, delete, update

from dlt_pipelines.lease import Lease
from dlt_pipelines.operational import changes
from dlt_pipelines.operational.changes import SNAPSHOTS
from dlt_pipelines.operational.mirror import (
    LEASE,
    MIRRORED,
    mirror_configuration,
    mirror_ledger,
    read_changes,
    source,
)
from dlt_pipelines.raw import close, open_pipeline
from echolead.operational import erasures
from echolead.operational.channel_rules import add_channel_rule, exclude_referrer
from echolead.operational.database import system_session
from echolead.operational.lead_decisions import merge, revert, split
from echolead.operational.models import Delivery, DeliveryAttempt, Destination, Tenant
from echolead.operational.provision import OperationalUrls
from echolead.operational.quarantine import QuarantineRecord
from echolead.operational.rates import remove_rate, set_rate
from echolead.operational.warehouse_requests import Extent, Progress, RequestRecord, ask, stop
from echolead.rules.rule_set import default_rule_set
from echolead.settings import Settings
from tests.fixtures.operational import make_destination, make_tenant
from tests.fixtures.queue_messages import RECEIVED_AT

if TYPE_CHECKING:
    from echolead.embedded.clickhouse import EmbeddedWarehouse

UNCHANGED = dict.fromkeys(SNAPSHOTS, 0)
DEFAULT_RULES = len(default_rule_set().rules)

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # as the client gives what is not there


@pytest.fixture
def settings(
    warehouse: Client,
    warehouse_server: "EmbeddedWarehouse",
    empty_operational_urls: OperationalUrls,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    """Settings of a mirror with both sides empty."""
    return Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        clickhouse_url=warehouse_server.url,
        postgres_loader_url=empty_operational_urls.loader,
    )


def newest(warehouse: Client, table: str, columns: str) -> list[tuple[Any, ...]]:
    rows = warehouse.query(
        f"SELECT {columns} FROM raw.{table} WHERE mirrored_at = (SELECT max(mirrored_at) FROM raw.{table}) ORDER BY ALL"
    ).result_rows
    return [tuple(row) for row in rows]


def make_delivery(engine: Engine, destination: Destination, lead_id: str, **columns: Any) -> UUID:
    delivery = Delivery(
        tenant_id=destination.tenant_id,
        destination_id=destination.destination_id,
        lead_id=lead_id,
        payload_hash="0" * 64,
        payload={"lead_id": lead_id},
        **columns,
    )
    with system_session(engine) as session:
        session.add(delivery)
        session.flush()
        return delivery.delivery_id


def test_a_snapshot_is_appended_when_something_changed_and_only_then(
    settings: Settings, warehouse: Client, system_engine: Engine
) -> None:
    assert mirror_configuration(settings) == UNCHANGED
    make_tenant(system_engine, "acme", hosts=["lp.acme.test", "acme.test"], name="Acme", consent_default="denied")

    assert mirror_configuration(settings) == {
        **UNCHANGED,
        "tenants": 1,
        "tenant_hosts": 2,
        "lead_rules": DEFAULT_RULES,
        "business_hours": 1,
    }
    assert mirror_configuration(settings) == UNCHANGED
    make_tenant(system_engine, "bravo")
    assert mirror_configuration(settings) == {
        **UNCHANGED,
        "tenants": 2,
        "lead_rules": 2 * DEFAULT_RULES,
        "business_hours": 2,
    }

    assert newest(
        warehouse, "tenants", "tenant_id, name, timezone, default_region, currency, consent_default, is_active"
    ) == [
        ("acme", "Acme", "America/Sao_Paulo", "BR", "BRL", "denied", True),
        ("bravo", "bravo", "America/Sao_Paulo", "BR", "BRL", "granted", True),
    ]
    assert newest(warehouse, "tenant_hosts", "tenant_id, host") == [("acme", "acme.test"), ("acme", "lp.acme.test")]
    assert warehouse.query("SELECT count() FROM raw.tenants").result_rows == [(3,)]


def test_rates_are_mirrored_as_they_were_set_and_when_the_last_is_gone(
    settings: Settings, warehouse: Client, system_engine: Engine
) -> None:
    make_tenant(system_engine, "acme")
    with system_session(system_engine) as session:
        set_rate(session, "acme", "USD", "5.42", from_date=date(2026, 3, 1), actor="test")
    mirror_configuration(settings)
    shown = "tenant_id, currency, from_date, rate"
    assert newest(warehouse, "tenant_rates", shown) == [("acme", "USD", "2026-03-01", "5.42000000")]
    with system_session(system_engine) as session:
        remove_rate(session, "acme", "USD", from_date=date(2026, 3, 1), actor="test")
    assert mirror_configuration(settings)["tenant_rates"] == 1
    assert newest(warehouse, "tenant_rates", shown) == [("", "", "", "")]


def test_a_tenants_own_rules_are_mirrored_with_it_in_their_order(
    settings: Settings, warehouse: Client, system_engine: Engine
) -> None:
    make_tenant(system_engine, "acme")
    make_tenant(system_engine, "bravo")
    mirror_configuration(settings)
    with system_session(system_engine) as session:
        add_channel_rule(session, "acme", "Feiras", ["campaign contains feira"], actor="test")
        add_channel_rule(session, "acme", "Sócios", ["source equals a", "medium equals b"], actor="test", position=1)
        exclude_referrer(session, "acme", "pay.test", actor="test")

    assert mirror_configuration(settings)["tenants"] == 2

    rows = newest(warehouse, "tenants", "tenant_id, channel_rules, excluded_referrers")
    assert [row[0] for row in rows] == ["acme", "bravo"]
    rules = json.loads(rows[0][1])
    assert [rule["channel"] for rule in rules] == ["Sócios", "Feiras"]
    assert rules[1]["conditions"] == [{"field": "campaign", "operator": "contains", "value": "feira"}]
    assert len(rules[0]["conditions"]) == 2
    assert (rows[0][2], rows[1][1:]) == ('["pay.test"]', ("[]", "[]"))


def test_a_destination_is_mirrored_without_its_secrets(
    settings: Settings, warehouse: Client, system_engine: Engine
) -> None:
    make_tenant(system_engine, "acme")
    destination = make_destination(
        system_engine,
        "acme",
        name="sales",
        configuration={"inbox_id": 1, "base_url": "https://chat.test"},
        secrets={"api_access_token": "do-not-leak"},
    )

    mirror_configuration(settings)

    assert newest(warehouse, "destinations", "* EXCEPT (mirrored_at, _dlt_load_id, _dlt_id)") == [
        (
            "acme",
            str(destination.destination_id),
            "chatwoot",
            "sales",
            '{"base_url": "https://chat.test", "inbox_id": 1}',
            True,
        )
    ]


def test_removing_the_last_destination_is_a_snapshot_that_names_no_tenant(
    settings: Settings, warehouse: Client, system_engine: Engine
) -> None:
    make_tenant(system_engine, "acme")
    make_destination(system_engine, "acme")
    mirror_configuration(settings)
    with system_session(system_engine) as session:
        session.execute(delete(Destination))

    assert mirror_configuration(settings)["destinations"] == 1
    assert mirror_configuration(settings) == UNCHANGED

    assert newest(warehouse, "destinations", "tenant_id, destination_id, is_enabled") == [("", "", False)]


def test_requests_are_mirrored_until_they_have_ended_and_not_how_far_they_have_come(
    settings: Settings, warehouse: Client, system_engine: Engine
) -> None:
    make_tenant(system_engine, "acme")
    with system_session(system_engine) as session:
        request_id = ask(session, "acme", Extent(lead_ids=("a", "b")), actor="test", reason="why").request_id
    mirror_configuration(settings)
    columns = "request_id, tenant_id, kind, lead_ids, received_from, is_open"
    assert newest(warehouse, "warehouse_requests", columns) == [
        (str(request_id), "acme", "replay", ["a", "b"], None, True)
    ]
    record = RequestRecord(settings.postgres_loader_url.get_secret_value())
    with closing(record):
        record.worked(Progress(str(request_id), "acme", "replay", position="v", pieces=1))
        assert mirror_configuration(settings) == UNCHANGED
        with system_session(system_engine) as session:
            stop(session, request_id, actor="test")
        mirror_configuration(settings)
        assert newest(warehouse, "warehouse_requests", "is_open") == [(False,)]
        record.worked(Progress(str(request_id), "acme", "replay", is_done=True))
        mirror_configuration(settings)
    assert newest(warehouse, "warehouse_requests", columns) == [("", "", "", [], EPOCH, False)]


def test_a_decision_is_mirrored_with_its_visitors_and_again_when_it_is_reverted(
    settings: Settings, warehouse: Client, system_engine: Engine
) -> None:
    make_tenant(system_engine, "acme")
    with system_session(system_engine) as session:
        merged = merge(session, "acme", "a", "b", actor="cli:ana", reason="same person").decision_id
        split(session, "acme", "c", ["v2", "v1"], actor="cli:ana", reason="a shared tablet")
    mirror_configuration(settings)
    columns = "kind, lead_id, other_lead_id, tracking_ids, is_reverted, decided_by, reason"
    assert newest(warehouse, "lead_decisions", columns) == [
        ("merge", "a", "b", [], False, "cli:ana", "same person"),
        ("split", "c", "", ["v1", "v2"], False, "cli:ana", "a shared tablet"),
    ]
    with system_session(system_engine) as session:
        revert(session, merged, actor="cli:bia", reason="no")
    mirror_configuration(settings)
    assert [row[:2] for row in newest(warehouse, "lead_decisions", "kind, is_reverted")] == [
        ("merge", True),
        ("split", False),
    ]


def test_who_is_left_out_is_mirrored_until_the_release(
    settings: Settings, warehouse: Client, system_engine: Engine
) -> None:
    make_tenant(system_engine, "acme")
    with closing(QuarantineRecord(settings.postgres_loader_url.get_secret_value())) as record:
        record.add("acme", "v1", event_id="e", step="model marts.leads", message="boom", models_version="1")
        mirror_configuration(settings)
        columns = "tenant_id, tracking_id, event_id, step, message"
        assert newest(warehouse, "quarantine", columns) == [("acme", "v1", "e", "model marts.leads", "boom")]
        record.release_others("2")
    mirror_configuration(settings)
    assert newest(warehouse, "quarantine", columns) == [("", "", "", "", "")]


def test_each_state_of_a_delivery_is_mirrored_once(
    settings: Settings, warehouse: Client, system_engine: Engine
) -> None:
    make_tenant(system_engine, "acme")
    destination = make_destination(system_engine, "acme")
    delivery_id = make_delivery(system_engine, destination, "lead-1")

    assert mirror_ledger(settings) == {"deliveries": 1, "destination_records": 0, "delivery_attempts": 0}
    assert mirror_ledger(settings) == {"deliveries": 0, "destination_records": 0, "delivery_attempts": 0}
    with system_session(system_engine) as session:
        session.execute(update(Delivery).values(state="retry", attempts=1, last_error="503", last_error_class="Busy"))
        session.add(
            DeliveryAttempt(
                tenant_id="acme",
                delivery_id=delivery_id,
                attempt=1,
                operation="create_contact",
                request={"b": 1, "a": "…"},
                response_status=503,
                latency_ms=12,
                outcome="retry",
            )
        )
    assert mirror_ledger(settings) == {"deliveries": 1, "destination_records": 0, "delivery_attempts": 1}
    assert mirror_ledger(settings) == {"deliveries": 0, "destination_records": 0, "delivery_attempts": 0}

    states = warehouse.query(
        "SELECT state, attempts, last_error, last_error_class, delivered_at FROM raw.deliveries ORDER BY updated_at"
    )
    assert states.result_rows == [("pending", 0, None, None, None), ("retry", 1, "503", "Busy", None)]
    attempts = warehouse.query(
        "SELECT * EXCEPT (attempt_id, started_at, mirrored_at, _dlt_load_id, _dlt_id) FROM raw.delivery_attempts"
    )
    assert attempts.result_rows == [
        (
            "acme", str(delivery_id), str(destination.destination_id), "lead-1", 1, "create_contact",
            '{"a": "…", "b": 1}', 503, None, 12, "retry", None,
        )
    ]  # fmt: skip


def test_a_delivery_whose_transaction_ended_late_is_not_skipped(
    settings: Settings, warehouse: Client, system_engine: Engine, operational_urls: OperationalUrls
) -> None:
    make_tenant(system_engine, "acme")
    destination = make_destination(system_engine, "acme")
    make_delivery(system_engine, destination, "first")
    mirror_ledger(settings)
    five_minutes_ago = datetime.now(UTC) - timedelta(minutes=5)
    make_delivery(system_engine, destination, "late", updated_at=five_minutes_ago)
    assert mirror_ledger(settings)["deliveries"] == 1

    assert warehouse.query("SELECT lead_id FROM raw.deliveries ORDER BY updated_at").result_rows == [
        ("late",),
        ("first",),
    ]


def test_more_changes_than_one_call_takes_are_all_there_after_the_next_calls(
    settings: Settings, warehouse: Client, system_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their times lie further apart than the overlap, or several have the same; the newest was written first."""
    monkeypatch.setattr(changes, "MAX_ROWS", 2)
    make_tenant(system_engine, "acme")
    destination = make_destination(system_engine, "acme")
    minutes = [90, 60, 60, 60, 30, 0]
    for number, minute in enumerate(minutes):
        updated_at = RECEIVED_AT + timedelta(minutes=minute)
        make_delivery(system_engine, destination, f"lead-{number}", updated_at=updated_at)

    calls = [mirror_ledger(settings)["deliveries"] for _ in range(4)]

    assert calls == [2, 2, 2, 0]
    mirrored = warehouse.query("SELECT lead_id FROM raw.deliveries ORDER BY lead_id").result_rows
    assert mirrored == [(f"lead-{number}",) for number in range(len(minutes))]


def test_the_source_runs_in_a_pipeline_as_the_orchestrator_runs_it(
    settings: Settings, warehouse: Client, system_engine: Engine
) -> None:
    make_tenant(system_engine, "acme", hosts=["lp.acme.test"])
    runs = open_pipeline("operational", settings)
    try:
        some = source(read_changes(settings, MIRRORED)).with_resources("tenants", "tenant_hosts")
        runs.run(some, loader_file_format="parquet")
        runs.run(source(read_changes(settings, MIRRORED)), loader_file_format="parquet")
    finally:
        close(runs)

    assert warehouse.query("SELECT count() FROM raw.tenants").result_rows == [(1,)]
    assert warehouse.query("SELECT count() FROM raw.tenant_hosts").result_rows == [(1,)]


def test_a_mirror_waits_for_the_one_that_is_running(settings: Settings, system_engine: Engine) -> None:
    done = threading.Event()
    with Lease(settings.postgres_loader_url.get_secret_value(), LEASE):
        threading.Thread(target=lambda: (mirror_configuration(settings), done.set())).start()
        assert not done.wait(1)
    assert done.wait(60)


def test_a_tenant_is_never_removed_only_switched_off(
    settings: Settings, warehouse: Client, system_engine: Engine
) -> None:
    make_tenant(system_engine, "acme")
    mirror_configuration(settings)
    with system_session(system_engine) as session:
        session.execute(update(Tenant).values(is_active=False))

    assert mirror_configuration(settings)["tenants"] == 1

    assert newest(warehouse, "tenants", "tenant_id, is_active") == [("acme", False)]


def test_what_takes_an_erased_persons_fields_off_a_destination_is_not_mirrored(
    settings: Settings, system_engine: Engine
) -> None:
    make_tenant(system_engine, "acme")
    destination = make_destination(system_engine, "acme")
    with system_session(system_engine) as session:
        erasure_id = erasures.ask(session, "acme", "lead-1", actor="x", reason="y").erasure_id
    delivery_id = make_delivery(system_engine, destination, f"erasure:{erasure_id}", erasure_id=erasure_id)
    with system_session(system_engine) as session:
        session.add(DeliveryAttempt(tenant_id="acme", delivery_id=delivery_id, attempt=1, operation="x", outcome="ok"))
    assert mirror_ledger(settings) == {"deliveries": 0, "destination_records": 0, "delivery_attempts": 0}

"""Rules and business hours in raw: those in force, the default ones filled in, and when the last rule is gone."""

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from clickhouse_connect.driver.client import Client
from sqlalchemy import Engine

from dlt_pipelines.operational.mirror import mirror_configuration
from echolead.business_hours import read_intervals
from echolead.operational.business_hours import add_own_day, set_hours
from echolead.operational.database import system_session
from echolead.operational.lead_rules import apply_rules, revert_rules
from echolead.operational.provision import OperationalUrls
from echolead.rules.rule_set import default_rule_set, read_rule_set
from echolead.settings import Settings
from tests.fixtures.operational import make_tenant

if TYPE_CHECKING:
    from echolead.embedded.clickhouse import EmbeddedWarehouse

RULES = """rules:
  - {id: b, name: São, when: {fact: lead.city, eq: São Paulo}, then: [{points: 3}]}
  - {id: a, then: [{points: 1}]}
"""


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


def mirrored(warehouse: Client, table: str, columns: str, tenant_id: str) -> list[tuple[Any, ...]]:
    asked = (
        f"SELECT {columns} FROM raw.{table} WHERE mirrored_at = (SELECT max(mirrored_at) FROM raw.{table}) "
        f"AND tenant_id = '{tenant_id}' ORDER BY ALL"
    )
    return [tuple(row) for row in warehouse.query(asked).result_rows]


def test_the_newest_version_is_mirrored_rule_by_rule_beside_the_default_of_others(
    settings: Settings, warehouse: Client, system_engine: Engine
) -> None:
    make_tenant(system_engine, "acme")
    make_tenant(system_engine, "bravo")
    with system_session(system_engine) as session:
        apply_rules(session, "acme", "rules: [{id: z, then: [{points: 9}]}]", actor="test", reason="one")
        apply_rules(session, "acme", RULES, actor="test", reason="two")
    assert mirror_configuration(settings)["lead_rules"] == 2 + len(default_rule_set().rules)

    own = mirrored(warehouse, "lead_rules", "position, version, rule_id, name, digest, rule", "acme")
    assert [row[:4] for row in own] == [(1, 2, "b", "São"), (2, 2, "a", "a")]
    compiled = read_rule_set(RULES)
    assert {row[4] for row in own} == {compiled.digest}
    assert [json.loads(row[5]) for row in own] == [rule["rule"] for rule in compiled.rows()]

    default = mirrored(warehouse, "lead_rules", "position, version, rule_id, digest", "bravo")
    expected = [rule.rule_id for rule in default_rule_set().rules]
    assert [row[2] for row in default] == expected
    assert {(version, digest) for _, version, _, digest in default} == {(0, default_rule_set().digest)}


def test_a_tenant_without_any_rule_has_no_row_and_the_last_rule_leaves_a_row_of_nobody(
    settings: Settings, warehouse: Client, system_engine: Engine
) -> None:
    make_tenant(system_engine, "acme")
    mirror_configuration(settings)
    with system_session(system_engine) as session:
        apply_rules(session, "acme", "rules: []", actor="test", reason="none")
    assert mirror_configuration(settings)["lead_rules"] == 1
    assert mirror_configuration(settings)["lead_rules"] == 0
    assert mirrored(warehouse, "lead_rules", "version, rule_id, rule", "") == [(0, "", "")]
    with system_session(system_engine) as session:
        revert_rules(session, "acme", 0, actor="test", reason="the default again")
    mirror_configuration(settings)
    default = mirrored(warehouse, "lead_rules", "version", "acme")
    assert default == [(2,)] * len(default_rule_set().rules)


def test_hours_are_mirrored_with_holidays_written_out(
    settings: Settings, warehouse: Client, system_engine: Engine
) -> None:
    make_tenant(system_engine, "acme")
    make_tenant(system_engine, "bravo", default_region="ZZ")
    year = datetime.now(UTC).year
    with system_session(system_engine) as session:
        set_hours(session, "acme", actor="test", weekly={"sat": read_intervals(["09:00-12:00"])}, subdivision="SP")
        add_own_day(session, "acme", date(year, 2, 16), "Carnaval", actor="test")
        add_own_day(session, "acme", date(year, 12, 25), "Natal", read_intervals(["10:00-14:00"]), actor="test")
    assert mirror_configuration(settings)["business_hours"] == 2
    assert mirror_configuration(settings)["business_hours"] == 0

    ((weekly, closed, special),) = mirrored(warehouse, "business_hours", "weekly, closed_dates, special_days", "acme")
    assert json.loads(weekly) == {"sat": [["09:00", "12:00"]]}
    assert {f"{year}-02-16", f"{year}-07-09", f"{year - 2}-12-25", f"{year + 2}-12-25"} <= {*json.loads(closed)}
    assert f"{year}-12-25" not in json.loads(closed)
    assert json.loads(special) == [{"date": f"{year}-12-25", "name": "Natal", "intervals": [["10:00", "14:00"]]}]

    # Of a country without a known calendar only the week counts.
    ((weekly, closed, _),) = mirrored(warehouse, "business_hours", "weekly, closed_dates, special_days", "bravo")
    assert list(json.loads(weekly)) == ["fri", "mon", "thu", "tue", "wed"]
    assert json.loads(closed) == []

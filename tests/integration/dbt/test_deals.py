"""Deals in the marts: stages that are reached, merges, deletions, money, and whose deals they are.

Each test has tenants of its own; all rows are written first, as the views read what is there.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.factories import raw_destination, raw_tenant, raw_tenant_rate
from tests.fixtures.deal_rows import (
    deal_payload,
    raw_deal_record,
    raw_deal_stages,
    raw_destination_records,
    stage_payload,
)
from tests.integration.dbt.conftest import Project, Rows

DAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
TENANTS = ("stages", "merges", "money", "owners", "other", "observed")
STAGES = {
    "a_10": "new",
    "a_11": "working",
    "a_12": "qualified",
    "a_13": "won",
    "a_15": "lost",
    "b_20": "new",
    "b_23": "won",
}
NAMES = {"a/10": "Novo", "a/11": "Contato", "a/12": "Proposta", "a/13": "Ganho", "a/14": "Outra", "a/15": "Perdido",
         "b/20": "Novo", "b/23": "Ganho"}  # fmt: skip


def at(hours: float) -> datetime:
    return DAY + timedelta(hours=hours)


def deal(deal_id: str, payload: dict[str, Any], *, tenant: str = "stages", version: datetime = DAY, **more: Any) -> Any:
    return raw_deal_record("deal", deal_id, payload, tenant_id=tenant, version=version, **more)


def of_stages() -> Rows:
    """Skipped, moved, left and entered again, edited, unmapped; the stage 11 is renamed and then deleted."""
    return [
        deal("skipped", deal_payload("a/13", ("a/12", at(0)), ("a/13", at(5)), value="100"), version=at(5)),
        deal("of-a", deal_payload("a/10", ("a/10", at(0)))),
        deal("of-b", deal_payload("b/20", ("b/20", at(0)))),
        deal("moved", deal_payload("b/20", ("a/12", at(0)), ("b/20", at(3))), version=at(3)),
        deal("through-11", deal_payload("a/12", ("a/11", at(0)), ("a/12", at(1))), version=at(1)),
        deal("edited", deal_payload("a/12", ("a/12", at(0)))),
        deal("edited", deal_payload("a/12", ("a/12", at(0)), ("a/12", at(2)), value="7"), version=at(2)),
        deal("again", deal_payload("a/12", ("a/12", at(0)), ("a/11", at(1)), ("a/12", at(2))), version=at(2)),
        deal("unmapped", deal_payload("a/14", ("a/14", at(0)))),
        deal("lost", deal_payload("a/15", ("a/11", at(0)), ("a/15", at(1)), lost_reason="caro"), version=at(1)),
        deal("reopened", deal_payload("a/13", ("a/12", at(0)), ("a/13", at(1)), value="50"), version=at(1)),
        deal("reopened", deal_payload("a/12", ("a/12", at(0)), ("a/13", at(1)), ("a/12", at(4))), version=at(4)),
        raw_deal_record("stage", "a/11", stage_payload("a/11", "Contato", is_deleted=True), tenant_id="stages",
                        version=at(9)),
    ]  # fmt: skip


def of_merges() -> Rows:
    """Two won deals become one; one is deleted, one deleted and restored; a product is taken out of one."""
    won = deal_payload("a/13", ("a/13", at(0)), value="5000", contact_ids=["c1"])
    return [
        deal("d1", won, tenant="merges"),
        deal("d2", won, tenant="merges"),
        deal("d3", {**won, "merged_ids": ["d1", "d2"]}, tenant="merges", version=at(2)),
        deal("deleted", won, tenant="merges"),
        raw_deal_record("archive", "deleted", {"is_deleted": True}, tenant_id="merges", version=at(1)),
        deal("restored", won, tenant="merges"),
        raw_deal_record("archive", "restored", {"is_deleted": True}, tenant_id="merges", version=at(1)),
        raw_deal_record("archive", "restored", {"is_deleted": False}, tenant_id="merges", version=at(2)),
        deal("smaller", deal_payload("a/13", ("a/13", at(0)), value="3000"), tenant="merges"),
        deal("smaller", deal_payload("a/13", ("a/13", at(0)), value="1000"), tenant="merges", version=at(2)),
        # Pipedrive says it on the deal itself.
        deal("said", deal_payload("a/13", status="won", is_deleted=True), tenant="merges"),
    ]


def of_money() -> Rows:
    closed = at(1)
    won: dict[str, Any] = {"status": "won", "closed_at": closed}
    return [
        deal("usd", deal_payload("a/13", ("a/13", closed), value="1000", currency="USD", **won), tenant="money",
             version=closed),
        deal("brl", deal_payload("a/13", ("a/13", closed), value="2000", currency="BRL", **won), tenant="money"),
        deal("unsaid", deal_payload("a/13", ("a/13", closed), value="10", **won), tenant="money"),
        deal("eur", deal_payload("a/13", ("a/13", closed), value="10", currency="EUR", **won), tenant="money"),
        deal("gbp", deal_payload("a/13", ("a/13", closed), value="10", currency="GBP", **won), tenant="money"),
        deal("open", deal_payload("a/12", ("a/12", closed), value="10", currency="USD"), tenant="money"),
        deal("empty", deal_payload("a/13", ("a/13", closed), **won), tenant="money"),
        deal("chf", deal_payload("a/13", ("a/13", at(30)), value="10", currency="CHF", status="won", closed_at=at(30)),
             tenant="money", version=at(30)),
        # 23:30 in São Paulo is the next day in UTC.
        deal("late", deal_payload("a/13", ("a/13", at(14.5)), value="1", currency="USD", status="won",
                                  closed_at=at(14.5)), tenant="money", version=at(14.5)),
    ]  # fmt: skip


def rates() -> Rows:
    """Snapshots: before, without a rate that was wrong, at the same day anew after the deals were seen, and one more
    currency.
    """

    def of(rows: list[tuple[str, str, str]], mirrored_at: datetime) -> Rows:
        return [raw_tenant_rate("money", currency, rate, from_date=day, mirrored_at=mirrored_at)
                for currency, rate, day in rows]  # fmt: skip

    before = [("USD", "4.00", "1970-01-01"), ("USD", "5.00", "2026-03-02"), ("USD", "9.00", "2026-03-03")]
    after = [("USD", "4.00", "1970-01-01"), ("USD", "5.50", "2026-03-02"), ("USD", "9.00", "2026-03-03")]
    wrong, right = ("CHF", "3.00", "2026-03-01"), ("CHF", "6.00", "1970-01-01")
    return [
        *of([*before, right, wrong], at(0)),
        *of([*before, right], at(20)),
        *of(after, at(48)),
        *of([*after, ("GBP", "7.00", "1970-01-01")], at(72)),
        *of([*after, ("GBP", "8.00", "1970-01-01")], at(96)),
    ]


def of_owners() -> Rows:
    """Whose deals they are: written on the deal, made by us, by the contact, by a contact that was merged."""
    open_ = deal_payload("a/10", ("a/10", at(0)))
    contact = {"lead_key": "", "merged_ids": []}
    return [
        deal("written", {**open_, "lead_key": "lead-1", "contact_ids": ["c2"]}, tenant="owners"),
        deal("made", {**open_, "contact_ids": ["c2"]}, tenant="owners"),
        deal("of-contact", {**open_, "contact_ids": ["c2"]}, tenant="owners"),
        deal("of-survivor", {**open_, "contact_ids": ["c9"]}, tenant="owners"),
        deal("of-written-contact", {**open_, "contact_ids": ["c7"]}, tenant="owners"),
        deal("nobodys", {**open_, "contact_ids": ["c8"]}, tenant="owners"),
        deal("written", {**open_, "contact_ids": ["c2"]}, tenant="other"),
        raw_deal_record("merge", "c9", {**contact, "merged_ids": ["c3"]}, tenant_id="owners"),
        raw_deal_record("contact", "c9", contact, tenant_id="owners", version=at(1)),
        raw_deal_record("contact", "c7", {**contact, "lead_key": "lead-7"}, tenant_id="owners"),
    ]


def of_observed() -> Rows:
    """A CRM without a history: states that were seen are the entries."""
    seen = [("a/10", 0, "1"), ("a/10", 1, "2"), ("a/12", 2, "2"), ("a/12", 3, "3")]
    return [
        deal("d", deal_payload(place, value=value), tenant="observed", version=at(hours))
        for place, hours, value in seen
    ]


@pytest.fixture(scope="module")
def deals(project: Project) -> Project:
    """All of it, in an order that is not that of time."""
    project.forget()
    project.write("tenants", [raw_tenant(tenant) for tenant in TENANTS])
    project.write("destinations", [raw_destination(tenant, "hubspot") for tenant in TENANTS])
    project.write("tenant_rates", rates())
    project.write("deal_stages", [row for tenant in TENANTS for row in raw_deal_stages(tenant, **STAGES)])
    project.write(
        "destination_records",
        raw_destination_records("owners", [
            ("lead-2", "contact", "c2"), ("lead-3", "contact", "c3"), ("lead-4", "deal", "made"),
        ]) + raw_destination_records("other", [("lead-5", "contact", "c2")]),
    )  # fmt: skip
    stages = [
        raw_deal_record("stage", place, stage_payload(place, name), tenant_id=tenant)
        for tenant in TENANTS
        for place, name in NAMES.items()
    ]
    rows = [*stages, *of_stages(), *of_merges(), *of_money(), *of_owners(), *of_observed()]
    project.write("deal_records", [*reversed(rows), *rows[:20]])
    project.turn()
    return project


def rows_of(project: Project, tenant: str, columns: str) -> dict[str, tuple[Any, ...]]:
    """Columns of the tenant's deals, by their ids."""
    found = project.query(f"select deal_id, {columns} from marts.deals where tenant_id = {{t:String}}", t=tenant)
    return {row.pop("deal_id"): tuple(row.values()) for row in found}


def test_a_deal_has_reached_every_stage_before_its_furthest_and_times_only_where_it_was(deals: Project) -> None:
    found = rows_of(deals, "stages", "stage, furthest_stage, new_at, working_at, qualified_at, won_at")
    assert found["skipped"] == ("won", "won", None, None, at(0), at(5))
    assert found["moved"] == ("new", "qualified", at(3), None, at(0), None)
    assert found["again"] == ("qualified", "qualified", None, at(1), at(0), None)
    assert found["unmapped"] == ("unmapped", "", None, None, None, None)
    assert found["lost"] == ("lost", "working", None, at(0), None, None)


def test_stages_of_the_same_name_are_two_and_each_deal_is_one_row(deals: Project) -> None:
    found = rows_of(deals, "stages", "pipeline_id, stage_label")
    assert (found["of-a"], found["of-b"]) == (("a", "Novo"), ("b", "Novo"))
    assert len(found) == 10


def test_the_history_keeps_the_name_of_a_deleted_stage(deals: Project) -> None:
    found = deals.query(
        "select stage_label, is_stage_deleted, stage, entered_at, left_at from marts.deal_stage_history"
        " where tenant_id = 'stages' and deal_id = 'through-11' order by entered_at"
    )
    assert [tuple(row.values()) for row in found] == [
        ("Contato", True, "working", at(0), at(1)), ("Proposta", False, "qualified", at(1), None)
    ]  # fmt: skip


def test_an_edit_within_a_stage_is_no_entry_and_coming_back_is_a_second_one(deals: Project) -> None:
    found = deals.query(
        "select deal_id, stage_id, entered_at, entry_number from marts.deal_stage_history"
        " where tenant_id = 'stages' and deal_id in ('edited', 'again') order by deal_id, entered_at"
    )
    assert [tuple(row.values()) for row in found] == [
        ("again", "12", at(0), 1), ("again", "11", at(1), 1), ("again", "12", at(2), 2), ("edited", "12", at(0), 1)
    ]  # fmt: skip


def test_without_a_history_what_was_seen_to_change_is_the_history(deals: Project) -> None:
    found = deals.query("select stage_id, entered_at from marts.deal_stage_history where tenant_id = 'observed'"
                        " order by entered_at")  # fmt: skip
    assert [tuple(row.values()) for row in found] == [("10", at(0)), ("12", at(2))]


def test_a_reopened_deal_is_won_no_more(deals: Project) -> None:
    assert rows_of(deals, "stages", "status, furthest_stage, won_at, closed_at")["reopened"] == (
        "open", "qualified", None, None
    )  # fmt: skip


def test_merged_and_deleted_deals_are_marked_and_a_restored_one_is_not(deals: Project) -> None:
    found = rows_of(deals, "merges", "status, is_deleted, merged_into, value")
    assert found["d1"] == ("won", False, "d3", Decimal(5000))
    assert found["d2"] == ("won", False, "d3", Decimal(5000))
    assert found["d3"] == ("won", False, "", Decimal(5000))
    assert found["deleted"][1:3] == (True, "")
    assert found["restored"][1:3] == (False, "")
    assert found["said"][1:3] == (True, "")
    assert found["smaller"][3] == Decimal(1000)


def test_money_is_converted_at_the_rate_of_the_closing_day_and_a_later_rate_does_not_move_it(deals: Project) -> None:
    found = rows_of(deals, "money", "currency, converted_value, unconverted_reason, closed_date")
    assert found["usd"] == ("USD", Decimal(5000), "", date(2026, 3, 2))
    assert found["brl"] == ("BRL", Decimal(2000), "", date(2026, 3, 2))
    assert found["unsaid"] == ("BRL", Decimal(10), "", date(2026, 3, 2))
    assert found["eur"] == ("EUR", None, "no rate", date(2026, 3, 2))
    assert found["gbp"] == ("GBP", Decimal(70), "", date(2026, 3, 2))
    assert found["chf"] == ("CHF", Decimal(60), "", date(2026, 3, 3)), "a rate that was removed before is not known"
    assert found["open"] == ("USD", None, "not closed", None)
    assert found["empty"] == ("BRL", None, "no value", date(2026, 3, 2))
    assert found["late"] == ("USD", Decimal(5), "", date(2026, 3, 2))


def test_a_deal_is_its_leads_by_what_is_written_by_the_delivery_or_by_its_contact(deals: Project) -> None:
    found = {deal_id: row[0] for deal_id, row in rows_of(deals, "owners", "lead_id").items()}
    assert found == {
        "written": "lead-1", "made": "lead-4", "of-contact": "lead-2", "of-survivor": "lead-3",
        "of-written-contact": "lead-7", "nobodys": "",
    }  # fmt: skip
    assert rows_of(deals, "other", "lead_id") == {"written": ("lead-5",)}


def test_the_tests_of_the_models_pass(deals: Project) -> None:
    deals.run("test", "path:models/marts/deals", "path:models/staging/deals")

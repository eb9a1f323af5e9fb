"""A tenant's channels, rates, conversations, stages of deals and lake through the control API."""

from typing import Any

from sqlalchemy import text

from echolead.operational.database import system_session
from tests.fixtures.control_api import ControlApi
from tests.fixtures.operational import make_destination

TENANT = "/v1/tenants/{t}"
RULES = f"{TENANT}/channel-rules"
CHAT = f"{TENANT}/chat"


def edited(control: ControlApi, method: str, of_list: str, one: str, tenant: str, body: Any = None) -> Any:
    """The answer to an admin's edit of a line, on the version of its list that is there."""
    etag = control.ask("viewer", "GET", f"{TENANT}/{of_list}", tenant).headers["etag"]
    return control.ask("admin", method, f"{TENANT}/{of_list}/{one}", tenant, body, if_match=etag)


def read(control: ControlApi, path: str, tenant: str) -> Any:
    """The lines of a list."""
    return control.ask("viewer", "GET", path, tenant).json()["items"]


def test_channel_rules_keep_their_order_and_two_editors_do_not_meet(control: ControlApi) -> None:
    tenant = control.tenant()
    etag = control.ask("viewer", "GET", RULES, tenant).headers["etag"]
    first = {"channel": "Partners", "conditions": ["source equals parceiro"]}
    assert control.ask("admin", "POST", RULES, tenant, first).status_code == 428
    assert control.ask("operator", "POST", RULES, tenant, first, if_match=etag).status_code == 403
    made = control.ask("admin", "POST", RULES, tenant, first, if_match=etag)
    assert made.status_code == 201, made.text
    ahead = {"channel": "Fairs", "conditions": ["medium equals feira", "campaign contains 2026"], "position": 1}
    assert control.ask("admin", "POST", RULES, tenant, ahead, if_match=etag).status_code == 409
    both = control.ask("admin", "POST", RULES, tenant, ahead, if_match=made.headers["etag"])
    assert [(line["position"], line["channel"]) for line in both.json()["items"]] == [(1, "Fairs"), (2, "Partners")]
    wrong = control.ask("admin", "POST", RULES, tenant, {**first, "conditions": ["x"]}, if_match=both.headers["etag"])
    assert (wrong.status_code, "not a condition" in wrong.json()["detail"]) == (422, True)
    left = control.ask("admin", "DELETE", f"{RULES}/1", tenant, if_match=both.headers["etag"])
    assert left.json()["items"] == read(control, RULES, tenant) == [{"position": 1, **first}]


def test_a_host_is_no_source_until_it_is_one_again(control: ControlApi) -> None:
    tenant, path = control.tenant(), f"{TENANT}/excluded-referrers"
    for _ in range(2):
        assert control.ask("admin", "POST", path, tenant, {"host": "WWW.Pay.example"}).json() == {"host": "pay.example"}
    assert read(control, path, tenant) == [{"host": "pay.example"}]
    assert edited(control, "DELETE", "excluded-referrers", "pay.example", tenant).status_code == 204
    assert edited(control, "DELETE", "excluded-referrers", "pay.example", tenant).status_code == 404


def test_a_rate_is_a_number_with_a_dot_and_keeps_its_digits(control: ControlApi) -> None:
    tenant, path = control.tenant(), f"{TENANT}/rates"
    for refused in ("5,42", "1.234,56", 5.42, "0", "-1"):
        answer = edited(control, "PUT", "rates", "USD", tenant, {"rate": refused})
        assert (answer.status_code, "rate" in answer.json()["detail"]) == (422, True), refused
    edited(control, "PUT", "rates", "USD", tenant, {"rate": "5.42"})
    edited(control, "PUT", "rates", "USD", tenant, {"rate": None, "from_date": "2026-03-01"})
    assert read(control, path, tenant) == [
        {"currency": "USD", "from_date": "1970-01-01", "rate": "5.42"},
        {"currency": "USD", "from_date": "2026-03-01", "rate": None},
    ]
    assert edited(control, "DELETE", "rates", "USD?from_date=2026-03-01", tenant).status_code == 204
    assert len(read(control, path, tenant)) == 1
    assert edited(control, "PUT", "rates", "BRL", tenant, {"rate": "1"}).status_code == 422  # its own currency


def test_targets_of_conversations_are_edited_by_one_at_a_time(control: ControlApi) -> None:
    tenant = control.tenant()
    shown = control.ask("viewer", "GET", CHAT, tenant)
    assert shown.json()["first_response_minutes"] == 15
    first = control.ask("admin", "PATCH", CHAT, tenant, {"first_response_minutes": 5}, if_match=shown.headers["etag"])
    assert (first.status_code, first.json()["first_response_minutes"]) == (200, 5)
    second = control.ask("admin", "PATCH", CHAT, tenant, {"keeps_texts": True}, if_match=shown.headers["etag"])
    assert second.status_code == 409
    same = control.ask("admin", "PATCH", CHAT, tenant, {}, if_match=first.headers["etag"])
    assert same.headers["etag"] == first.headers["etag"]
    away = {"most_open": 20, "away_from": "2026-03-01", "away_until": "2026-03-10"}
    assert edited(control, "PUT", "chat/members", "agent/Ana", tenant, away).status_code == 200
    assert read(control, f"{CHAT}/members", tenant) == [{"kind": "agent", "name": "Ana", **away}]
    backwards = {"away_from": "2026-03-10", "away_until": "2026-03-01"}
    assert edited(control, "PUT", "chat/members", "agent/Ana", tenant, backwards).status_code == 422
    assert edited(control, "DELETE", "chat/members", "agent/Ana", tenant).status_code == 204


def test_a_stage_of_a_crm_counts_as_what_is_said_last(control: ControlApi) -> None:
    tenant = control.tenant()
    make_destination(control.system, tenant, name="crm")
    path = f"{TENANT}/deal-stages"
    for stage in ("working", "won"):
        assert edited(control, "PUT", "deal-stages", "crm/default/s1", tenant, {"stage": stage}).status_code == 200
    line = {"destination": "crm", "pipeline_id": "default", "stage_id": "s1", "stage": "won"}
    assert read(control, path, tenant) == [line]
    assert edited(control, "PUT", "deal-stages", "other/default/s1", tenant, {"stage": "won"}).status_code == 404
    assert edited(control, "PUT", "deal-stages", "crm/default/s1", tenant, {"stage": "gone"}).status_code == 422


def test_the_language_of_a_tenant_is_set_as_its_other_settings(control: ControlApi) -> None:
    tenant = control.tenant()
    etag = control.ask("viewer", "GET", TENANT, tenant).headers["etag"]
    assert control.ask("admin", "PATCH", TENANT, tenant, {"language": "en"}, if_match=etag).json()["language"] == "en"


def test_the_lake_shows_the_tenants_files_and_is_verified_by_a_task(control: ControlApi) -> None:
    tenant, other = control.tenant(), control.tenant()
    with system_session(control.system) as session:
        for number, (each, state) in enumerate(((tenant, "present"), (tenant, "owed"), (other, "present"))):
            session.execute(
                text(
                    "insert into lake_files (tenant_id, source, day, path, state, first_load, last_load, rows, bytes) "
                    "values (:t, 'events', '2026-03-01', :path, :state, '1', '1', 5, 70)"
                ),
                {"t": each, "state": state, "path": "" if state == "owed" else f"{each}-{number}"},
            )
    assert read(control, f"{TENANT}/lake", tenant) == [
        {"table": "events", "files": 1, "rows": 5, "bytes": 70, "first_day": "2026-03-01", "last_day": "2026-03-01",
         "owed": 1}
    ]  # fmt: skip
    path, days = f"{TENANT}/lake/verifications", {"since": "2026-03-01", "until": "2026-03-31"}
    assert control.ask("analyst", "POST", path, tenant, days).status_code == 403
    task = control.ask("operator", "POST", path, tenant, days)
    assert (task.status_code, task.json()["kind"]) == (202, "lake_verify")
    assert (
        control.ask(
            "operator", "POST", path, tenant, dict(zip(days, ("2026-03-31", "2026-03-01"), strict=True))
        ).status_code
        == 422
    )

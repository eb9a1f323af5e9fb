"""Rules through the control API: versions, two editors at once, and requests that are sent twice."""

from typing import Any
from uuid import uuid4

from sqlalchemy import func, select

from echolead.operational.database import system_session
from echolead.operational.models import AuditEntry, ControlTask, LeadRuleSet
from tests.fixtures.control_api import ControlApi

RULES = "/v1/tenants/{t}/rules"
SOURCE = """rules:
  - id: from-the-city
    name: From the city
    when: {fact: lead.city, eq: Curitiba}
    then: [{points: 10}]
"""
OTHER = SOURCE.replace("points: 10", "points: 20")


def saved(control: ControlApi, tenant: str, source: str, version: str, role: str = "operator") -> Any:
    """The answer to putting rules in force."""
    return control.ask(role, "PUT", RULES, tenant, {"source": source, "reason": "why"}, if_match=f'"{version}"')


def test_rules_are_read_changed_and_reverted_as_versions(control: ControlApi) -> None:
    tenant = control.tenant()
    first = control.ask("viewer", "GET", RULES, tenant)
    assert (first.status_code, first.headers["etag"], first.json()["created_at"]) == (200, '"0"', None)
    made = saved(control, tenant, SOURCE, "0")
    assert (made.status_code, made.headers["etag"], made.json()["source"]) == (200, '"1"', SOURCE)
    assert made.json()["author"].startswith("user:")
    assert made.json()["created_at"].endswith("Z")
    back = control.ask(
        "operator", "POST", f"{RULES}/reversions", tenant, {"version": 0, "reason": "no"}, if_match='"1"'
    )
    assert (back.status_code, back.json()["version"]) == (200, 2)
    listed = control.ask("viewer", "GET", f"{RULES}/versions", tenant).json()
    assert [line["version"] for line in listed["items"]] == [2, 1, 0]
    assert "from-the-city" in listed["items"][0]["removed"]
    assert control.ask("viewer", "GET", f"{RULES}?version=1", tenant).json()["source"] == SOURCE
    with system_session(control.system) as session:
        actions = session.scalars(
            select(AuditEntry.action).where(AuditEntry.tenant_id == tenant, AuditEntry.action.like("lead_rules.%"))
        )
        assert actions.all() == ["lead_rules.applied", "lead_rules.reverted"]


def test_versions_are_paged_without_gaps_while_new_ones_come(control: ControlApi) -> None:
    tenant = control.tenant()
    for number in range(5):
        saved(control, tenant, SOURCE.replace("10", str(number + 1)), str(number))
    seen, cursor = [], ""
    while cursor is not None:
        page = control.ask("viewer", "GET", f"{RULES}/versions?limit=2{cursor and f'&cursor={cursor}'}", tenant).json()
        seen += [(line["version"], line["changed"]) for line in page["items"]]
        cursor = page["next_cursor"]
        saved(control, tenant, SOURCE.replace("10", str(len(seen) + 40)), str(5 + len(seen) // 2 - 1))
    assert [version for version, _ in seen] == [5, 4, 3, 2, 1, 0]
    assert [changed for _, changed in seen] == [["from-the-city"]] * 4 + [[]] * 2


def test_the_second_of_two_editors_sees_who_was_first_and_what_differs(control: ControlApi) -> None:
    tenant = control.tenant()
    assert saved(control, tenant, SOURCE, "0", "admin").status_code == 200
    refused = saved(control, tenant, OTHER, "0")
    told = refused.json()
    assert (refused.status_code, told["type"], told["version"]) == (409, "/problems/changed-meanwhile", "1")
    assert told["changed_by"].startswith("user:")
    assert told["changed_at"]
    [difference] = [each for each in told["differences"] if each["field"] == "from-the-city"]
    assert (
        difference["yours"]["rule"]["actions"][0]["points"],
        difference["theirs"]["rule"]["actions"][0]["points"],
    ) == (20, 10)
    assert saved(control, tenant, OTHER, told["version"]).json()["version"] == 2


def test_an_edit_without_its_version_is_refused(control: ControlApi) -> None:
    tenant = control.tenant()
    body = {"source": SOURCE, "reason": "why"}
    without = control.ask("operator", "PUT", RULES, tenant, body)
    assert (without.status_code, without.json()["type"]) == (428, "/problems/version-required")
    wrong = control.ask("operator", "PUT", RULES, tenant, body, if_match='"v7"')
    assert (wrong.status_code, "if-match" in wrong.json()["detail"]) == (422, True)


def test_a_save_without_a_change_makes_no_version_whatever_it_is_based_on(control: ControlApi) -> None:
    tenant = control.tenant()
    saved(control, tenant, SOURCE, "0")
    for base in ("1", "0"):
        again = saved(control, tenant, SOURCE, base)
        assert (again.status_code, again.json()["version"]) == (200, 1)


def test_rules_with_a_mistake_are_refused_with_its_line(control: ControlApi) -> None:
    refused = saved(control, control.tenant(), "rules:\n  - id: a\n    whenn: {}\n", "0")
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/change-refused")
    assert "3" in refused.json()["detail"]


def test_a_trial_is_a_task_and_the_same_key_makes_one_only(control: ControlApi) -> None:
    tenant, key = control.tenant(), uuid4().hex
    body = {"source": SOURCE, "days": 30}
    first = control.ask("analyst", "POST", f"{RULES}/trials", tenant, body, idempotency_key=key)
    again = control.ask("analyst", "POST", f"{RULES}/trials", tenant, body, idempotency_key=key)
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    other = control.ask("analyst", "POST", f"{RULES}/trials", tenant, {**body, "days": 31}, idempotency_key=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    # The key is one user's: another user's request with it is their own.
    theirs = control.ask("admin", "POST", f"{RULES}/trials", tenant, {**body, "days": 31}, idempotency_key=key)
    assert theirs.status_code == 202
    with system_session(control.system) as session:
        assert session.scalar(select(func.count()).where(ControlTask.tenant_id == tenant)) == 2
        assert session.scalar(select(func.count()).where(LeadRuleSet.tenant_id == tenant)) == 0
    shown = control.ask("viewer", "GET", first.headers["location"], tenant).json()
    assert (shown["state"], shown["kind"]) == ("waiting", "rules_trial")


def test_a_refused_request_may_be_corrected_under_another_key_and_is_tried_again_under_its_own(
    control: ControlApi,
) -> None:
    tenant, key = control.tenant(), uuid4().hex
    body = {"version": 1, "reason": "back"}
    refused = control.ask("operator", "POST", f"{RULES}/reversions", tenant, body, if_match='"0"', idempotency_key=key)
    assert refused.status_code == 404
    saved(control, tenant, SOURCE, "0")
    saved(control, tenant, OTHER, "1")
    done = control.ask("operator", "POST", f"{RULES}/reversions", tenant, body, if_match='"2"', idempotency_key=key)
    assert (done.status_code, done.json()["version"]) == (200, 3)


def test_a_tenant_can_have_ten_open_tasks_and_stopping_one_makes_room(control: ControlApi) -> None:
    tenant = control.tenant()
    body = {"source": SOURCE}
    made = [control.ask("analyst", "POST", f"{RULES}/trials", tenant, body) for _ in range(10)]
    assert {answer.status_code for answer in made} == {202}
    assert control.ask("analyst", "POST", f"{RULES}/trials", tenant, body).status_code == 422
    for _ in range(2):  # a second click is no error
        stopped = control.ask("analyst", "POST", f"{made[0].headers['location']}/stop", tenant)
        assert (stopped.status_code, stopped.json()["state"]) == (200, "stopped")
    assert control.ask("analyst", "POST", f"{RULES}/trials", tenant, body).status_code == 202
    page = control.ask("viewer", "GET", "/v1/tenants/{t}/tasks?limit=4", tenant).json()
    rest = control.ask("viewer", "GET", f"/v1/tenants/{{t}}/tasks?cursor={page['next_cursor']}", tenant).json()
    ids = [task["task_id"] for task in (*page["items"], *rest["items"])]
    assert (len(ids), len(set(ids)), rest["next_cursor"]) == (11, 11, None)

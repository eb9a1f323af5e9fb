"""Nothing of a request to the control API is passed over: parameters, names of a body, versions, cursors."""

import json
from typing import Any

import httpx
import pytest

from echolead.operational import warehouse_requests
from tests.fixtures.control_api import ControlApi
from tests.fixtures.operational import make_destination

TENANT = "/v1/tenants/{t}"


def sent(control: ControlApi, tenant: str, body: bytes, content_type: str = "application/json") -> httpx.Response:
    """The answer to a key that is asked for with these bytes."""
    headers = {"Authorization": f"Bearer {control.token_of('admin', tenant)}", "Content-Type": content_type}
    return control.client.post(f"/v1/tenants/{tenant}/keys", content=body, headers=headers)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("destinaton=crm", "query.destinaton: there is cursor, destination, error_class, lead_id, limit, state here"),
        ("limit=1&limit=2", "query.limit: give it once"),
        ("limit=0", "query.limit"),
        ("limit=-1", "query.limit"),
        ("limit=201", "query.limit"),
        ("limit=1e3", "query.limit"),
        ("cursor=x", "query.cursor"),
        ("cursor=W10", "query.cursor"),  # []
        ("cursor=bnVsbA", "query.cursor"),  # null
        ("state=sent", "query.state"),
    ],
)
def test_a_parameter_that_cannot_be_meant_is_refused_and_named(control: ControlApi, query: str, sentence: str) -> None:
    tenant = control.tenant()
    answer = control.ask("viewer", "GET", f"{TENANT}/deliveries?{query}", tenant)
    assert (answer.status_code, sentence in answer.json()["detail"]) == (422, True), answer.text


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"name": "a", "name": "b"}', "the name 'name' twice"),
        (b'{"name": "a", "x": {"y": 1, "y": 1}}', "the name 'y' twice"),
        (b"[" * 100_000 + b"]" * 100_000, "send JSON in UTF-8"),
        ('{"name": "é"}'.encode("latin-1"), "send JSON in UTF-8"),
        (b'{"name": ' + b"9" * 5_000 + b"}", "send JSON in UTF-8"),
        (b'{"name": NaN}', "body.name"),
        (b'{"name": "a\\u0000b"}', "cannot be stored"),
        (b"null", "body"),
        (b"", "body"),
    ],
)
def test_a_body_that_cannot_be_meant_is_refused_and_its_fault_is_named(
    control: ControlApi, body: bytes, sentence: str
) -> None:
    answer = sent(control, control.tenant(), body)
    assert (answer.status_code, sentence in answer.json()["detail"]) == (422, True), answer.text


@pytest.mark.parametrize("day", ["0001-01-01", "1969-12-31", "2106-01-01", "9999-12-31"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "replays", {"reason": "x", "received_from": "{}T00:00:00+05:00"}),
        ("PUT", "hours/days/{}", {"name": "x"}),
        ("PUT", "rates/USD", {"rate": "5", "from_date": "{}"}),
        ("DELETE", "rates/USD?from_date={}", None),
        ("PUT", "chat/members/agent/Ana", {"away_from": "{}", "away_until": "{}"}),
    ],
)
def test_a_time_that_the_warehouse_cannot_have_is_refused(
    control: ControlApi, method: str, path: str, body: Any, day: str
) -> None:
    said = json.loads(json.dumps(body).replace("{}", day))
    answer = control.ask("admin", method, f"{TENANT}/{path.replace('{}', day)}", control.tenant(), said, if_match='"x"')
    assert (answer.status_code, "use a time from 1970 to 2105" in answer.json()["detail"]) == (422, True), answer.text


def test_replays_that_wait_are_bounded(control: ControlApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouse_requests, "MAX_OPEN_REPLAYS", 2)
    tenant = control.tenant()
    made = [control.ask("operator", "POST", f"{TENANT}/replays", tenant, {"reason": "x"}) for _ in range(3)]
    assert [each.status_code for each in made] == [201, 201, 422]
    one = f"{TENANT}/replays/{made[0].json()['request_id']}"
    stops = [control.ask("operator", "POST", f"{one}/stop", tenant) for _ in range(2)]
    assert [each.json()["state"] for each in stops] == ["stopped", "stopped"]
    assert control.ask("operator", "POST", f"{TENANT}/replays", tenant, {"reason": "x"}).status_code == 201
    resumed = [control.ask("operator", "POST", f"{one}/resume", tenant).status_code for _ in range(2)]
    assert resumed == [200, 422]


def test_a_body_needs_its_content_type(control: ControlApi) -> None:
    answer = sent(control, control.tenant(), b'{"name": "a"}', "text/plain")
    assert (answer.status_code, "Content-Type: application/json" in answer.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ('"{}"', 200),
        ('W/"{}"', 200),  # of a proxy that compresses
        ("{}", 200),
        ("*", 428),
        ("", 428),
        ('""', 428),
        ('"{}", "x"', 428),
        ('"x"', 409),
    ],
)
def test_an_edit_names_one_version(control: ControlApi, form: str, status: int) -> None:
    tenant = control.tenant()
    etag = control.ask("viewer", "GET", TENANT, tenant).headers["etag"].strip('"')
    answer = control.ask("admin", "PATCH", TENANT, tenant, {"currency": "EUR"}, if_match=form.replace("{}", etag))
    assert answer.status_code == status, answer.text


def test_a_cursor_is_for_its_list_and_filters_only(control: ControlApi) -> None:
    tenant, other = control.tenant(), control.tenant()
    for each in (tenant, other):
        for name in ("a", "b", "c"):
            control.ask("admin", "POST", f"{TENANT}/keys", each, {"name": name})
    path = f"{TENANT}/audit?limit=1"
    cursor = control.ask("admin", "GET", f"{path}&action=key", tenant).json()["next_cursor"]
    page: Any = control.ask("admin", "GET", f"{TENANT}/audit?limit=2&action=key&cursor={cursor}", tenant)
    assert [each["detail"]["name"] for each in page.json()["items"]] == ["b", "a"]  # the page may have another size
    for query, asker in ((f"{path}&action=user", tenant), (path, tenant), (f"{path}&action=key", other)):
        answer = control.ask("admin", "GET", f"{query}&cursor={cursor}", asker)
        assert (answer.status_code, "another list" in answer.json()["detail"]) == (422, True), query


def test_a_conflict_of_hours_and_chats_says_who_was_first_and_what_differs(control: ControlApi) -> None:
    tenant = control.tenant()
    edits = {
        "hours": ({"weekly": {"mon": ["10:00-16:00"]}}, {"weekly": {"mon": ["08:00-12:00"]}}),
        "chat": ({"first_response_minutes": 5}, {"first_response_minutes": 7}),
    }
    seen = {name: control.ask("viewer", "GET", f"{TENANT}/{name}", tenant).headers["etag"] for name in edits}
    for name, (first, second) in edits.items():
        control.ask("admin", "PATCH", f"{TENANT}/{name}", tenant, first, if_match=seen[name])
        conflict = control.ask("admin", "PATCH", f"{TENANT}/{name}", tenant, second, if_match=seen[name])
        told = conflict.json()
        assert conflict.status_code == 409
        assert (told["changed_by"].startswith("user:"), bool(told["changed_at"])) == (True, True)
        assert told["differences"], json.dumps(told)
    day = control.ask("admin", "PUT", f"{TENANT}/hours/days/2027-02-10", tenant, {"name": "x"}, if_match=seen["hours"])
    assert day.json()["differences"] == [{"field": "2027-02-10", "yours": {"name": "x", "times": []}, "theirs": None}]


def test_a_conflict_of_settings_names_who_changed_them_and_not_who_changed_the_hours(control: ControlApi) -> None:
    tenant = control.tenant()
    etag = control.ask("viewer", "GET", TENANT, tenant).headers["etag"]
    control.ask("admin", "PATCH", TENANT, tenant, {"currency": "EUR"}, if_match=etag)
    by_whom = control.ask("admin", "GET", f"{TENANT}/audit?action=tenant.changed", tenant).json()["items"][0]["actor"]
    hours = control.ask("viewer", "GET", f"{TENANT}/hours", tenant).headers["etag"]
    control.ask("platform", "PATCH", f"{TENANT}/hours", tenant, {"country": "US"}, if_match=hours)
    conflict = control.ask("admin", "PATCH", TENANT, tenant, {"currency": "USD"}, if_match=etag)
    assert (conflict.status_code, conflict.json()["changed_by"]) == (409, by_whom)


@pytest.mark.parametrize(
    ("of_list", "one", "first", "second", "field"),
    [
        ("rates", "rates/USD", {"rate": "5.1"}, {"rate": "5.3"}, "USD 1970-01-01"),
        ("chat/members", "chat/members/agent/Ana", {"most_open": 3}, {"most_open": 9}, "agent Ana"),
        ("deal-stages", "deal-stages/crm/default/s1", {"stage": "won"}, {"stage": "lost"}, "crm/default/s1"),
    ],
)
def test_two_editors_of_a_line_of_the_settings_do_not_overwrite_each_other(
    control: ControlApi, of_list: str, one: str, first: Any, second: Any, field: str
) -> None:
    tenant = control.tenant()
    make_destination(control.system, tenant, name="crm")
    seen = control.ask("viewer", "GET", f"{TENANT}/{of_list}", tenant).headers["etag"]
    assert control.ask("admin", "PUT", f"{TENANT}/{one}", tenant, first).status_code == 428
    made = control.ask("admin", "PUT", f"{TENANT}/{one}", tenant, first, if_match=seen)
    conflict = control.ask("admin", "PUT", f"{TENANT}/{one}", tenant, second, if_match=seen)
    said = conflict.json()
    assert (made.status_code, conflict.status_code) == (200, 409), conflict.text
    assert (said["changed_by"].startswith("user:"), bool(said["changed_at"])) == (True, True)
    assert [each["field"] for each in said["differences"]] == [field]
    assert f'"{said["version"]}"' == made.headers["etag"]
    assert control.ask("admin", "PUT", f"{TENANT}/{one}", tenant, second, if_match=made.headers["etag"]).is_success


@pytest.mark.parametrize(
    ("of_list", "name", "one"),
    [
        ("hosts", "host", "hosts/{}"),
        ("origins", "origin", "origins?origin=https://{}"),
        ("excluded-referrers", "host", "excluded-referrers/{}"),
    ],
)
def test_a_line_is_removed_on_the_list_that_was_seen(control: ControlApi, of_list: str, name: str, one: str) -> None:
    tenant = control.tenant()
    path, scheme = f"{TENANT}/{of_list}", "https://" if name == "origin" else ""
    hosts = [f"{part}.{tenant}.example" for part in ("a", "b")]
    control.ask("admin", "POST", path, tenant, {name: f"{scheme}{hosts[0]}"})
    seen = control.ask("viewer", "GET", path, tenant).headers["etag"]
    control.ask("admin", "POST", path, tenant, {name: f"{scheme}{hosts[1]}"})
    remove = f"{TENANT}/{one.replace('{}', hosts[0])}"
    assert control.ask("admin", "DELETE", remove, tenant).status_code == 428
    conflict = control.ask("admin", "DELETE", remove, tenant, if_match=seen)
    assert (conflict.status_code, conflict.json()["changed_by"][:5]) == (409, "user:"), conflict.text
    now = f'"{conflict.json()["version"]}"'
    assert control.ask("admin", "DELETE", remove, tenant, if_match=now).status_code == 204
    assert [each[name] for each in control.ask("viewer", "GET", path, tenant).json()["items"]] == [
        f"{scheme}{hosts[1]}"
    ]


def test_the_second_to_change_a_role_sees_who_was_first(control: ControlApi) -> None:
    tenant = control.tenant()
    email = control.user({tenant: "viewer"})
    one = f"{TENANT}/users/{email}"
    seen = control.ask("admin", "GET", one, tenant).headers["etag"]
    assert control.ask("admin", "PUT", one, tenant, {"role": "operator"}).status_code == 428
    control.ask("platform", "PUT", one, tenant, {"role": "operator"}, if_match=seen)
    first = control.ask("admin", "GET", f"{TENANT}/audit?action=user.role_granted", tenant).json()["items"][0]["actor"]
    conflict = control.ask("admin", "PUT", one, tenant, {"role": "admin"}, if_match=seen).json()
    assert (conflict["status"], conflict["changed_by"]) == (409, first)
    assert conflict["differences"] == [{"field": "role", "yours": "admin", "theirs": "operator"}]
    assert control.ask("admin", "DELETE", one, tenant, if_match=seen).status_code == 409
    assert control.ask("admin", "GET", one, tenant).json()["role"] == "operator"

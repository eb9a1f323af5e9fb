"""Filters that users keep: each their own, in one tenant."""

from typing import Any

import httpx
import pytest

from echolead.operational import saved_filters
from tests.fixtures.control_api import ControlApi

FILTERS = "/v1/tenants/{t}/saved-filters"
WEEK = {"period": ["7d"], "channel": ["Paid Search", ""]}


def save(control: ControlApi, tenant: str, name: str, role: str = "viewer", **more: Any) -> httpx.Response:
    body = {"page": "leads", "name": name, "address": WEEK, **more}
    return control.ask(role, "POST", FILTERS, tenant, body)


def kept(control: ControlApi, tenant: str, role: str = "viewer") -> list[dict[str, Any]]:
    return list(control.ask(role, "GET", f"{FILTERS}?page=leads", tenant).json()["items"])


def test_a_filter_is_saved_listed_changed_and_deleted(control: ControlApi) -> None:
    tenant = control.tenant()
    made = save(control, tenant, "  Week ")
    assert made.status_code == 201
    assert (made.json()["name"], made.json()["address"], made.json()["opens_page"]) == ("Week", WEEK, False)
    save(control, tenant, "all")
    assert [each["name"] for each in kept(control, tenant)] == ["all", "Week"]
    place = f"{FILTERS}/{made.json()['filter_id']}"
    changed = control.ask(
        "viewer", "PATCH", place, tenant, {"name": "Month", "address": {"period": ["month"], "q": []}}
    )
    assert (changed.json()["name"], changed.json()["address"]) == ("Month", {"period": ["month"]})
    assert control.ask("viewer", "DELETE", place, tenant).status_code == 204
    assert control.ask("viewer", "DELETE", place, tenant).status_code == 404
    assert [each["name"] for each in kept(control, tenant)] == ["all"]


def test_one_filter_opens_the_page(control: ControlApi) -> None:
    tenant = control.tenant()
    save(control, tenant, "theirs", role="analyst", opens_page=True)
    first, second = (save(control, tenant, name, opens_page=True).json() for name in ("a", "b"))
    assert [each["opens_page"] for each in kept(control, tenant)] == [False, True]
    control.ask("viewer", "PATCH", f"{FILTERS}/{first['filter_id']}", tenant, {"opens_page": True})
    assert [each["opens_page"] for each in kept(control, tenant)] == [True, False]
    control.ask("viewer", "PATCH", f"{FILTERS}/{first['filter_id']}", tenant, {"opens_page": False})
    assert [each["opens_page"] for each in kept(control, tenant)] == [False, False]
    assert second["opens_page"] is True
    assert [each["opens_page"] for each in kept(control, tenant, role="analyst")] == [True], "of each user one"


def test_filters_are_of_one_user_and_one_tenant(control: ControlApi) -> None:
    tenant, other = control.tenant(), control.tenant()
    mine = save(control, tenant, "mine", role="analyst").json()
    assert kept(control, tenant, role="admin") == []
    place = f"{FILTERS}/{mine['filter_id']}"
    for role, method, body in (("admin", "PATCH", {"name": "theirs"}), ("admin", "DELETE", None)):
        assert control.ask(role, method, place, tenant, body).status_code == 404
    assert save(control, tenant, "mine", role="admin").status_code == 201  # a name is free for each user
    token = control.token(control.user({tenant: "viewer", other: "viewer"}))
    bearer = {"Authorization": f"Bearer {token}"}
    for place in (tenant, other):
        body = {"page": "leads", "name": f"of {place}", "address": {}}
        control.client.post(FILTERS.replace("{t}", place), json=body, headers=bearer)
    found = control.client.get(FILTERS.replace("{t}", other), headers=bearer).json()["items"]
    assert [each["name"] for each in found] == [f"of {other}"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"name": "  "}, 422, id="no name"),
        pytest.param({"name": "a\0b"}, 422, id="a name that cannot be stored"),
        pytest.param({"name": "a" * 81}, 422, id="a long name"),
        pytest.param({"page": "overview"}, 422, id="a page without saved filters"),
        pytest.param({"address": {"Period!": ["7d"]}}, 422, id="no parameter"),
        pytest.param({"address": {"q": ["x" * 2_001]}}, 422, id="a long value"),
        pytest.param({"address": {"q": ["x" * 1_900] * 5}}, 422, id="too much in all"),
        pytest.param({"name": "taken"}, 409, id="a name of one's own"),
    ],
)
def test_what_cannot_be_kept_is_refused(control: ControlApi, body: dict[str, Any], status: int) -> None:
    tenant = control.tenant()
    save(control, tenant, "taken")
    assert save(control, tenant, **{"name": "new", **body}).status_code == status
    assert [each["name"] for each in kept(control, tenant)] == ["taken"]


def test_there_is_a_limit_and_another_name_is_not_taken_from_oneself(
    control: ControlApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_filters, "MAX_FILTERS", 2)
    tenant = control.tenant()
    first = save(control, tenant, "a").json()
    assert [save(control, tenant, name).status_code for name in ("b", "c")] == [201, 422]
    place = f"{FILTERS}/{first['filter_id']}"
    assert control.ask("viewer", "PATCH", place, tenant, {"name": "b"}).status_code == 409
    assert control.ask("viewer", "PATCH", place, tenant, {"name": "a"}).status_code == 200

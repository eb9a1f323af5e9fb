"""What pages that act take from forms, files and the API's answers."""

from datetime import UTC, datetime

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from dashboards.control import ApiRefusal, ControlClient, part_of_path
from dashboards.listings import Asked, api_rows
from dashboards.listings.all import LISTINGS
from dashboards.listings.dead_letters import DEAD_LETTERS
from dashboards.listings.rules import VERSIONS
from dashboards.navigation import ACTING
from dashboards.warehouse import query
from echolead.permissions import PERMISSIONS
from echolead.signed_in import ApiUnavailable

PROBLEM = {
    "type": "/problems/changed-meanwhile",
    "title": "Changed meanwhile",
    "status": 409,
    "detail": "look at version 8",
    "version": "8",
}


def client(*answers: httpx.Response | Exception) -> tuple[ControlClient, list[httpx.Request]]:
    """A client whose requests get these answers one after the other, and the requests."""
    sent: list[httpx.Request] = []
    left = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        found = next(left)
        if isinstance(found, Exception):
            raise found
        return found

    http = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://api.test")
    return ControlClient(http, "token-of-ana", "acme"), sent


def test_each_request_has_the_sessions_token_and_the_tenants_address() -> None:
    api, sent = client(httpx.Response(200, json={"x": 1}, headers={"ETag": '"7"'}))
    found = api.get("/rules", version=None)
    assert (found.body, found.version) == ({"x": 1}, "7")
    assert str(sent[0].url) == "http://api.test/v1/tenants/acme/rules"
    assert sent[0].headers["authorization"] == "Bearer token-of-ana"
    assert "token-of-ana" not in repr(api)


def test_a_post_without_an_answer_is_sent_again_with_the_same_key_once() -> None:
    api, sent = client(httpx.ReadTimeout("late"), httpx.Response(200, json={}))
    api.post("/replays", {"reason": "x"})
    keys = [request.headers["idempotency-key"] for request in sent]
    assert len(keys) == 2
    assert keys[0] == keys[1]
    silent, _ = client(httpx.ReadTimeout("late"), httpx.ReadTimeout("late"))
    with pytest.raises(ApiUnavailable):
        silent.post("/replays", {})


def test_an_edit_names_its_version_and_a_refusal_has_what_the_problem_says() -> None:
    api, sent = client(httpx.Response(409, json=PROBLEM))
    with pytest.raises(ApiRefusal, match="look at version 8") as refused:
        api.put("/rules", {}, version="7")
    assert sent[0].headers["if-match"] == '"7"'
    assert (refused.value.status, refused.value.kind, refused.value.more) == (
        409,
        "changed-meanwhile",
        {"version": "8"},
    )


@pytest.mark.parametrize(
    "answer", [httpx.Response(502, text="<html>"), httpx.Response(404, text="nginx"), httpx.Response(503, json=PROBLEM)]
)
def test_what_is_no_answer_of_the_api_is_that_it_does_not_answer(answer: httpx.Response) -> None:
    api, _ = client(answer)
    with pytest.raises(ApiUnavailable):
        api.get("/rules")


def test_a_list_is_read_page_by_page_up_to_a_bound() -> None:
    pages_of_list = [
        httpx.Response(200, json={"items": [{"n": 1}, {"n": 2}], "next_cursor": "c1"}),
        httpx.Response(200, json={"items": [{"n": 3}], "next_cursor": "c2"}),
    ]
    api, sent = client(*pages_of_list)
    assert [each["n"] for each in api.lines("/audit", most=3)] == [1, 2, 3]
    assert [request.url.params.get("cursor") for request in sent] == [None, "c1"]
    assert sent[1].url.params["limit"] == "1"


def test_an_older_page_of_dead_letters_has_those_behind_the_newer_ones() -> None:
    api, sent = client(
        httpx.Response(200, json={"items": [{"dead_letter_id": each} for each in "dcb"], "next_cursor": "c1"}),
        httpx.Response(200, json={"items": [{"dead_letter_id": "a"}], "next_cursor": None}),
    )
    address = {"page": ["2"], "reason": ["invalid_event"]}
    asked = Asked(query, "acme", "UTC", "BRL", datetime(2026, 3, 10, tzinfo=UTC), address, rows=2, api=api)
    assert DEAD_LETTERS.rows(asked)["dead_letter_id"].tolist() == ["b", "a"]
    assert [dict(request.url.params) for request in sent] == [
        {"limit": "4", "reason": "invalid_event"},
        {"limit": "1", "reason": "invalid_event", "cursor": "c1"},
    ]


def test_lines_of_the_api_become_rows_of_a_listing() -> None:
    lines = [
        {"version": 2, "made_at": "2026-03-11T02:30:00Z", "author": "user:ana@acme.test", "reason": "x",
         "rules_added": ["a", "b"], "rules_removed": [], "rules_changed": [{"id": 1}]},
        {"version": 0, "made_at": None, "author": "echolead", "reason": "y"},
    ]  # fmt: skip
    assert LISTINGS
    rows = api_rows(VERSIONS, lines)
    assert rows["author"].tolist() == ["ana@acme.test", "echolead"]
    assert rows.iloc[0][["rules_added", "rules_removed", "rules_changed"]].tolist() == ["a, b", "", '[{"id": 1}]']
    assert rows["made_at"].iloc[0].isoformat() == "2026-03-11T02:30:00+00:00"
    assert rows["made_at"].isna().tolist() == [False, True]


def test_a_name_in_a_path_stays_one_part() -> None:
    assert part_of_path("../keys?x") == "..%2Fkeys%3Fx"


def test_each_page_that_acts_begins_with_an_operation_that_there_is() -> None:
    assert {operation for *_, operation in ACTING} <= PERMISSIONS.keys()


def test_the_menu_has_what_the_role_may_read() -> None:
    def menu() -> None:
        from uuid import UUID  # noqa: PLC0415  # the page is a script of its own

        import streamlit as st  # noqa: PLC0415

        from dashboards.navigation import pages  # noqa: PLC0415
        from echolead.security import SignedIn  # noqa: PLC0415

        st.session_state.tenant_id = "acme"
        user = SignedIn(UUID(int=7), "ana@acme.test", tenants={"acme": st.session_state.role})
        st.text(" ".join(each.url_path for each in pages(user, "acme")))

    shown = {}
    for role in ("viewer", "admin"):
        app = AppTest.from_function(menu)
        app.session_state.role = role
        app.run(timeout=60)
        assert not app.exception
        shown[role] = app.text[0].value.split()
    assert {"rules"} <= set(shown["viewer"]) <= set(shown["admin"])
    assert not {"audit", "users_and_keys"} & set(shown["viewer"])

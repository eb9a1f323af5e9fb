"""The demo Chatwoot keeps Chatwoot's rules, answers as it describes itself, and survives being killed."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from echolead.demo.accounts import load_or_make_accounts
from echolead.demo.chatwoot import Fault, Faults, create_app
from echolead.demo.chatwoot.doors import session_of
from tests.fixtures.chatwoot_description import Described, Description
from tests.fixtures.demo_chatwoot import ACCOUNTS, ServedChatwoot, served_chatwoot

ACCOUNT, OTHER = ACCOUNTS
BASE = f"/api/v1/accounts/{ACCOUNT.account_id}"
TOKEN = {"api_access_token": ACCOUNT.api_access_token}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedChatwoot]:
    with served_chatwoot(tmp_path / "chatwoot.sqlite") as served:
        yield served


@pytest.fixture
def faults(served: ServedChatwoot) -> Faults:
    return served.faults


@pytest.fixture
def chatwoot(served: ServedChatwoot) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, headers=TOKEN, timeout=30) as client:
        yield client


def create(chatwoot: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = chatwoot.post(f"{BASE}/contacts", json={"inbox_id": ACCOUNT.inbox_id, **fields})
    assert answer.status_code == 200, answer.text
    contact: dict[str, Any] = answer.json()["payload"]["contact"]
    return contact


def visitor(chatwoot: httpx.Client) -> dict[str, str]:
    """Headers of a browser that has just loaded the widget."""
    answer = widget(chatwoot, "POST", "config", {}, {})
    return {"x-auth-token": answer.json()["website_channel_config"]["auth_token"]}


def widget(chatwoot: httpx.Client, method: str, path: str, browser: dict[str, str], body: Any = None) -> httpx.Response:
    address = f"/api/v1/widget/{path}"
    return chatwoot.request(
        method, address, params={"website_token": ACCOUNT.website_token}, headers=browser, json=body
    )


def contacts(chatwoot: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = chatwoot.get("/_demo/state").json()["contacts"]
    return found


@pytest.mark.parametrize(
    ("fields", "attribute"),
    [
        pytest.param({"email": "ANA@lead.test"}, "email", id="an e-mail in another case"),
        pytest.param({"phone_number": "+5511999990000"}, "phone_number", id="a phone number"),
        pytest.param({"identifier": "lead-1"}, "identifier", id="an identifier"),
    ],
)
def test_a_value_of_another_contact_is_refused_with_its_field(
    chatwoot: httpx.Client, fields: dict[str, str], attribute: str
) -> None:
    create(chatwoot, email="ana@lead.test", phone_number="+5511999990000", identifier="lead-1")

    answer = chatwoot.post(f"{BASE}/contacts", json=fields)

    assert answer.status_code == 422
    assert answer.json()["attributes"] == [attribute]
    assert answer.json()["message"].endswith("has already been taken")


def test_a_phone_number_that_is_not_e164_is_refused(chatwoot: httpx.Client) -> None:
    answer = chatwoot.post(f"{BASE}/contacts", json={"phone_number": "11 99999-0000"})

    assert answer.json() == {"message": "Phone number should be in e164 format", "attributes": ["phone_number"]}


def test_the_same_values_may_be_in_two_accounts(chatwoot: httpx.Client) -> None:
    create(chatwoot, email="ana@lead.test")

    answer = chatwoot.post(
        f"/api/v1/accounts/{OTHER.account_id}/contacts",
        json={"email": "ana@lead.test"},
        headers={"api_access_token": OTHER.api_access_token},
    )

    assert answer.status_code == 200


@pytest.mark.parametrize("token", ["", "wrong", OTHER.api_access_token])
def test_another_accounts_token_opens_nothing(chatwoot: httpx.Client, token: str) -> None:
    assert chatwoot.get(f"{BASE}/contacts", headers={"api_access_token": token}).status_code == 401


def test_search_matches_parts_and_filter_matches_wholes(chatwoot: httpx.Client) -> None:
    create(chatwoot, email="ana@lead.test", phone_number="+5511999990000")
    create(chatwoot, email="joana@lead.test", name="Joana")

    def found(answer: Any) -> list[str]:
        return sorted(contact["email"] for contact in answer.json()["payload"])

    condition = {"attribute_key": "email", "filter_operator": "equal_to", "values": ["ANA@lead.test"]}
    by_phone = {"attribute_key": "phone_number", "filter_operator": "equal_to", "values": ["5511999990000"]}
    assert found(chatwoot.get(f"{BASE}/contacts/search", params={"q": "ana@lead"})) == [
        "ana@lead.test",
        "joana@lead.test",
    ]
    assert found(chatwoot.get(f"{BASE}/contacts/search", params={"q": "lead_test"})) == [
        "ana@lead.test",
        "joana@lead.test",
    ]
    assert found(chatwoot.post(f"{BASE}/contacts/filter", json={"payload": [condition]})) == ["ana@lead.test"]
    assert found(chatwoot.post(f"{BASE}/contacts/filter", json={"payload": [by_phone]})) == ["ana@lead.test"]


def test_lists_have_fifteen_a_page(chatwoot: httpx.Client) -> None:
    for number in range(20):
        create(chatwoot, identifier=f"lead-{number}")

    pages = [chatwoot.get(f"{BASE}/contacts", params={"page": page}).json() for page in (1, 2, 3)]

    assert [len(page["payload"]) for page in pages] == [15, 5, 0]
    assert pages[0]["meta"]["count"] == 20


def test_labels_are_replaced_whole_and_attributes_are_merged(chatwoot: httpx.Client) -> None:
    contact = create(chatwoot, custom_attributes={"channel": "Direct", "city": "Recife"})
    address = f"{BASE}/contacts/{contact['id']}"
    chatwoot.post(f"{address}/labels", json={"labels": ["vip", "novo"]})
    chatwoot.post(f"{address}/labels", json={"labels": ["novo"]})
    chatwoot.put(address, json={"custom_attributes": {"channel": "Email"}})
    removed = chatwoot.post(f"{address}/destroy_custom_attributes", json={"custom_attributes": ["city"]})

    assert chatwoot.get(f"{address}/labels").json() == {"payload": ["novo"]}
    assert removed.json()["payload"]["custom_attributes"] == {"channel": "Email"}


def test_a_new_browser_gets_a_contact_that_lists_do_not_show_until_it_is_known(chatwoot: httpx.Client) -> None:
    browser = visitor(chatwoot)
    assert chatwoot.get(f"{BASE}/contacts").json()["payload"] == []

    widget(chatwoot, "PATCH", "contact/set_user", browser, {"identifier": "lead-1", "name": "Ana"})

    (contact,) = chatwoot.get(f"{BASE}/contacts").json()["payload"]
    assert (contact["identifier"], contact["name"]) == ("lead-1", "Ana")


def test_set_user_joins_the_contact_that_has_the_identifier(chatwoot: httpx.Client) -> None:
    delivered = create(chatwoot, identifier="lead-1", email="ana@lead.test", custom_attributes={"channel": "Direct"})
    browser = visitor(chatwoot)

    widget(chatwoot, "PATCH", "contact/set_user", browser, {"identifier": "lead-1", "name": "Ana"})
    widget(chatwoot, "PATCH", "contact", browser, {"custom_attributes": {"page": "/"}})

    (contact,) = contacts(chatwoot)
    assert contact["id"] == delivered["id"]
    assert contact["custom_attributes"] == {"channel": "Direct", "page": "/"}


def test_set_user_takes_nothing_from_a_contact_with_another_identifier(chatwoot: httpx.Client) -> None:
    create(chatwoot, identifier="someone-else", email="ana@lead.test", phone_number="+5511999990000")
    fields = {"identifier": "lead-1", "email": "ana@lead.test", "phone_number": "+5511999990000", "name": "Ana"}

    widget(chatwoot, "PATCH", "contact/set_user", visitor(chatwoot), fields)

    newest, oldest = contacts(chatwoot)
    assert (newest["identifier"], newest["email"], newest["phone_number"]) == ("lead-1", None, None)
    assert oldest["email"] == "ana@lead.test"


def test_a_browser_with_a_new_identifier_gets_another_contact(chatwoot: httpx.Client) -> None:
    browser = visitor(chatwoot)
    first = widget(chatwoot, "PATCH", "contact/set_user", browser, {"identifier": "lead-1", "name": "Ana"}).json()
    second = widget(chatwoot, "PATCH", "contact/set_user", browser, {"identifier": "lead-2", "name": "Bia"}).json()

    assert first["id"] != second["id"]
    assert first["widget_auth_token"] != second["widget_auth_token"]


def test_the_pre_chat_form_joins_the_contact_with_that_email_and_keeps_its_name(chatwoot: httpx.Client) -> None:
    known = create(chatwoot, email="ana@lead.test", name="Ana Souza")
    body = {"contact": {"email": "Ana@lead.test", "name": "ana"}, "message": {"content": "Oi"}}

    widget(chatwoot, "POST", "conversations", visitor(chatwoot), body)

    (contact,) = contacts(chatwoot)
    assert (contact["id"], contact["name"]) == (known["id"], "Ana Souza")
    (conversation,) = chatwoot.get(f"{BASE}/contacts/{known['id']}/conversations").json()["payload"]
    assert conversation["messages"][0]["content"] == "Oi"


def test_labels_and_attributes_of_a_conversation_need_one_and_a_defined_label(chatwoot: httpx.Client) -> None:
    browser = visitor(chatwoot)
    attributes = {"custom_attributes": {"campaign": "x"}}
    assert widget(chatwoot, "POST", "conversations/set_custom_attributes", browser, attributes).status_code == 404
    chatwoot.post(f"{BASE}/labels", json={"title": "defined"})
    widget(chatwoot, "POST", "conversations", browser, {"message": {"content": "Oi"}})

    widget(chatwoot, "POST", "conversations/set_custom_attributes", browser, attributes)
    for label in ("defined", "unheard-of"):
        widget(chatwoot, "POST", "labels", browser, {"label": label})

    conversation = chatwoot.get(f"{BASE}/conversations").json()["data"]["payload"][0]
    assert (conversation["labels"], conversation["custom_attributes"]) == (["defined"], {"campaign": "x"})


def test_any_page_may_carry_the_widget(chatwoot: httpx.Client) -> None:
    asked = {"Origin": "https://lp.test", "Access-Control-Request-Method": "PATCH"}
    asked["Access-Control-Request-Headers"] = "content-type,x-auth-token"

    answer = chatwoot.options("/api/v1/widget/contact/set_user", headers=asked)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "window.chatwootSDK" in chatwoot.get("/packs/js/sdk.js").text


READS = [("GET", "/_demo/state"), ("POST", "/_demo/reply"), ("PUT", "/_demo/faults"), ("GET", f"{BASE}/contacts")]


@pytest.mark.parametrize(("method", "path"), READS)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no credential"),
        pytest.param({"api_access_token": ""}, id="an empty token"),
        pytest.param({"api_access_token": "demo-access-token-1"}, id="a token of earlier versions"),
        pytest.param({"api_access_token": ACCOUNT.website_token}, id="the widget's token, which is public"),
        pytest.param({"cookie": "demo_chatwoot=1.9999999999.00"}, id="a forged cookie"),
        pytest.param({"cookie": "demo_chatwoot=²..é".encode()}, id="a cookie that is none"),
    ],
)
def test_requests_without_an_agents_token_are_refused(
    served: ServedChatwoot, method: str, path: str, headers: dict[str, Any]
) -> None:
    body = None if method == "GET" else {"conversation_id": 1, "content": "x"}
    with httpx.Client(base_url=served.url) as anybody:
        refused = anybody.request(method, path, json=body, headers={**headers, "origin": served.url})
        taken = anybody.request(method, path, json=body, headers=TOKEN)
    assert refused.status_code == 401
    assert taken.status_code in (200, 404)


def test_the_cookie_is_the_accounts_own_ends_and_is_not_for_scripts(served: ServedChatwoot) -> None:
    ours = {"origin": served.url}
    with httpx.Client(base_url=served.url) as agent:
        signed_in = agent.post("/sign-in", data={"token": OTHER.api_access_token}, headers=ours)
        cookie = signed_in.headers["set-cookie"]
        assert agent.get("/_demo/state").json()["name"] == OTHER.name
        account_id, until, signature = agent.cookies["demo_chatwoot"].split(".")
        for other in (
            f"1.{until}.{signature}",
            f"{account_id}.{int(until) + 1}.{signature}",
            f"{account_id}.1.{signature}",
        ):
            answer = agent.get("/_demo/state", headers={"cookie": f"demo_chatwoot={other}"})
            assert answer.status_code == 401
        row = {"account_id": OTHER.account_id, "api_access_token": OTHER.api_access_token}
        for seconds, status in ((-1, 401), (60, 200)):
            cookies = {"cookie": f"demo_chatwoot={session_of(row, int(time.time()) + seconds)}"}
            assert agent.get("/_demo/state", headers=cookies).status_code == status
        # From a form of another page, and without a page.
        for headers in ({"origin": "http://evil.test"}, {}):
            assert agent.post("/sign-in", data={"token": ACCOUNT.api_access_token}, headers=headers).status_code == 401
            assert agent.post("/_demo/reply", json={"conversation_id": 1}, headers=headers).status_code == 401
    assert signed_in.status_code == 303
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}


@pytest.mark.parametrize(
    "host", ["evil.test", "evil.test:8707", "127.0.0.1.evil.test", "localhost.evil.test", "", "notlocalhost", "a b"]
)
def test_only_the_widget_answers_under_a_foreign_host_name(chatwoot: httpx.Client, host: str) -> None:
    """A page's host name may resolve to this machine. Control: the names of this machine."""
    for path in ("/_demo/state", f"{BASE}/contacts", "/app", "/sign-in", "/static/app.js", "/"):
        assert chatwoot.get(path, headers={"host": host}).status_code == 421
        for ours in ("localhost", "demo.localhost:8707", "127.0.0.1:8707", "[::1]:8707", "192.168.0.7"):
            assert chatwoot.get(path, headers={"host": ours}).status_code in (200, 307)
    assert chatwoot.get("/packs/js/sdk.js", headers={"host": host}).status_code == 200


def test_pages_of_other_origins_read_only_what_the_widget_needs(chatwoot: httpx.Client) -> None:
    page = {"Origin": "https://lp.test"}
    for path in ("/_demo/state", f"{BASE}/contacts", "/app", "/healthz"):
        answer = chatwoot.get(path, headers=page)
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "api_access_token"}
        preflight = chatwoot.options(path, headers={**page, **asked})
        assert "access-control-allow-origin" not in preflight.headers


def test_each_installation_has_tokens_of_its_own_that_only_its_owner_reads(tmp_path: Path) -> None:
    first, again, other = (load_or_make_accounts(tmp_path / name) for name in ("one", "one", "two"))
    assert first == again
    assert len({account.api_access_token for account in (*first, *other)}) == 4
    assert (tmp_path / "one" / "accounts.json").stat().st_mode & 0o077 == 0
    assert [file.name for file in (tmp_path / "one").iterdir()] == ["accounts.json"]


def test_the_page_runs_its_own_scripts_only(chatwoot: httpx.Client) -> None:
    for path in ("/app", "/sign-in"):
        answer = chatwoot.get(path)
        assert answer.status_code == 200
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "<script>" not in answer.text


def test_no_token_leaves_through_the_state(chatwoot: httpx.Client) -> None:
    visitor(chatwoot)
    state = chatwoot.get("/_demo/state")
    assert state.status_code == 200
    assert "token" not in state.text


@pytest.mark.parametrize("fields", [{"attribute_key": "name"}, {"attribute_key": "a b"}, {"attribute_key": "channel"}])
def test_an_attribute_with_a_key_that_is_taken_odd_or_chatwoots_own_is_refused(
    chatwoot: httpx.Client, fields: dict[str, str]
) -> None:
    definition = {"attribute_display_name": "Canal", "attribute_key": "channel", "attribute_model": 1}
    chatwoot.post(f"{BASE}/custom_attribute_definitions", json=definition)

    answer = chatwoot.post(f"{BASE}/custom_attribute_definitions", json={**definition, **fields})

    assert (answer.status_code, answer.json()["attributes"]) == (422, ["attribute_key"])


def test_a_fault_after_the_write_has_written_and_one_before_it_has_not(chatwoot: httpx.Client, faults: Faults) -> None:
    for kind, left in (("status", 0), ("status_after", 1)):
        faults.replace([Fault(kind, where="POST .*/contacts$", status=500)])  # type: ignore[arg-type]  # a kind
        assert chatwoot.post(f"{BASE}/contacts", json={"identifier": "lead-1"}).status_code == 500
        assert len(contacts(chatwoot)) == left


def test_the_same_seed_draws_the_same_faults() -> None:
    def draw(seed: int) -> list[bool]:
        faults = Faults([Fault("status", chance=0.3)], seed)
        return [faults.strike("GET", "/") is not None for _ in range(200)]

    assert draw(7) == draw(7)
    assert draw(7) != draw(8)


async def test_every_answer_is_as_chatwoot_describes_it(tmp_path: Path, description: Description) -> None:
    app = create_app(tmp_path / "chatwoot.sqlite", ACCOUNTS)
    transport = Described(httpx.ASGITransport(app), description)
    base = httpx.AsyncClient(transport=transport, base_url=f"http://localhost{BASE}/", headers=TOKEN)
    async with app.router.lifespan_context(app), base as chatwoot:
        created = await chatwoot.post("contacts", json={"inbox_id": 1, "email": "ana@lead.test"})
        contact = created.json()["payload"]["contact"]
        place = created.json()["payload"]["contact_inbox"]
        opened = await chatwoot.post(
            "conversations",
            json={
                "source_id": place["source_id"],
                "inbox_id": 1,
                "contact_id": contact["id"],
                "message": {"content": "Oi"},
            },
        )
        conversation = opened.json()["id"]
        for method, path, body in (
            ("GET", "contacts", None),
            ("GET", "contacts/search?q=ana", None),
            ("GET", f"contacts/{contact['id']}/contactable_inboxes", None),
            ("POST", f"contacts/{contact['id']}/contact_inboxes", {"inbox_id": 1, "source_id": "here"}),
            ("GET", f"contacts/{contact['id']}/conversations", None),
            ("GET", "conversations?status=all", None),
            ("GET", f"conversations/{conversation}", None),
            ("POST", f"conversations/{conversation}/labels", {"labels": ["vip"]}),
            ("GET", f"conversations/{conversation}/labels", None),
            ("POST", f"conversations/{conversation}/custom_attributes", {"custom_attributes": {"campaign": "x"}}),
            ("POST", f"conversations/{conversation}/messages", {"content": "Tudo bem?"}),
            ("GET", f"conversations/{conversation}/messages", None),
            ("DELETE", f"contacts/{contact['id']}", None),
        ):
            answer = await chatwoot.request(method, path, json=body)
            assert answer.status_code == 200, f"{method} {path}: {answer.text}"
        # Where the description is wrong, answers are checked in the form that Chatwoot really sends.
        assert description.errors(description.schema("contact_list_item"), contact) == []

    assert transport.faults == []

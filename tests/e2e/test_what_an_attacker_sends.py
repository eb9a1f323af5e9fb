"""The poison matrix through public endpoints: one tenant's senders write odd values everywhere, another's leads arrive.

Runs after the visits, whose tests count the contacts.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from echolead.ports import Port
from tests.e2e.stack import Stack, eventually
from tests.fixtures.odd_values import ODD_VALUES, PATHS, odd_at

EVENTS_A_REQUEST = 50
# C1 and C2 of the complaints that were tried on the running product.
CAMPAIGN_THAT_IS_NO_TEXT = "https://lp.beta.test/?utm_source=jornal&utm_campaign=promo%E7%E3o"
TOO_MUCH_MONEY = 99_999_999_999_999


def event(name: str, **fields: Any) -> dict[str, Any]:
    """An event as a page would send it, without a touch."""
    return {
        "event_id": str(uuid4()),
        "name": name,
        "tracking_id": str(uuid4()),
        "session_id": str(uuid4()),
        "occurred_at": datetime.now(UTC).isoformat(),
        "page": {"url": "https://lp.beta.test/oferta"},
        **fields,
    }


def post(stack: Stack, tenant: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    """Send events to a tenant's public address; the collector's answer."""
    answer = httpx.post(
        f"http://127.0.0.1:{Port.COLLECTOR.of(stack.base)}/t",
        content=json.dumps({"sent_at": datetime.now(UTC).isoformat(), "events": events}),
        headers={"Host": f"lp.{tenant}.test"},
        timeout=30,
    )
    assert answer.status_code in (202, 413), answer.text
    found: dict[str, Any] = answer.json()
    return found


def matrix() -> Iterator[dict[str, Any]]:
    """Every field of the event contract with every odd value; a visitor for each value, who becomes a lead."""
    for value in ODD_VALUES.values():
        visitor = {"tracking_id": str(uuid4()), "user": {"email": f"{uuid4()}@odd.example.com"}}
        for path in PATHS:
            name = "conversion" if path.startswith("properties") else "form_submit"
            yield odd_at(event(name, **visitor), path, value)
        yield event("form_submit", page={"url": f"https://lp.beta.test/?utm_campaign={value}&{value}=1#{value}"})


@pytest.fixture(scope="module")
def attacked(stack: Stack) -> Stack:
    """The stack after all odd values were sent, between forms of the other tenant whose contacts arrived."""
    for url in (CAMPAIGN_THAT_IS_NO_TEXT, "https://lp.beta.test/?utm_source=a%00b"):
        user = {"email": f"{uuid4()}@odd.example.com"}
        post(stack, "beta", [event("form_submit", page={"url": url}, user=user)])
    post(stack, "beta", [event("conversion", properties={"value": TOO_MUCH_MONEY})])
    lead_arrives(stack, "first@clean.example.com")
    waiting = list(matrix())
    for place in range(0, len(waiting), EVENTS_A_REQUEST):
        some = waiting[place : place + EVENTS_A_REQUEST]
        for first in range(0, len(some), 10):  # those of ten thousand letters, ten to a request
            post(stack, "beta", some[first : first + 10])
        if place % (EVENTS_A_REQUEST * 10) == 0:
            post(stack, "acme", [event("form_submit", user={"email": f"between{place}@clean.example.com"})])
    send_odd_webhooks(stack)
    lead_arrives(stack, "last@clean.example.com")
    return stack


def send_odd_webhooks(stack: Stack) -> None:
    """Every odd value as the body and as the fields of a webhook that Chatwoot could have sent."""
    made = stack.command("webhook", "add", "beta", "chatwoot", "--allow-unsigned")
    path = "/" + made["url"].split("/", 3)[3]
    for value in ODD_VALUES.values():
        for body in (value, {"event": value}, {"event": "message_created", "content": value, "id": value}):
            answer = httpx.post(
                f"http://127.0.0.1:{Port.COLLECTOR.of(stack.base)}{path}",
                content=json.dumps(body),
                headers={"Content-Type": "application/json"},
                timeout=30,
            )
            assert answer.status_code < 500, answer.text


def lead_arrives(stack: Stack, email: str) -> None:
    """A form of the other tenant becomes a contact."""
    post(stack, "acme", [event("form_submit", user={"email": email})])
    eventually(f"{email} is in Chatwoot", lambda: email in emails(stack, "acme") or None)


def emails(stack: Stack, tenant: str) -> set[str]:
    return {contact["email"] for contact in stack.contacts(tenant)}


def test_every_lead_of_the_other_tenant_is_delivered_in_the_same_turns(attacked: Stack) -> None:
    wanted = {row["email"] for row in attacked.sql(
        "select email from marts.leads where tenant_id = 'acme' and email like '%@clean.example.com'"
    )}  # fmt: skip
    assert len(wanted) > 3
    eventually("all of them are contacts", lambda: wanted <= emails(attacked, "acme") or None)


def test_nothing_fails_and_the_odd_events_are_listed(attacked: Stack) -> None:
    # A turn on a busy machine can take longer than what counts as standing still.
    eventually("nothing fails", lambda: True if attacked.command("status", may_fail=True)["trouble"] == [] else None)
    findings = attacked.command("doctor", may_fail=True)
    assert {each["sentence"] for each in findings if each["subject"] == "Live path"} == {"no step fails"}
    aside = [each["sentence"] for each in findings if each["subject"] == "Set aside"]
    assert any("properties.value of tenant beta" in sentence and "out_of_range" in sentence for sentence in aside)
    assert not any("tenant acme" in sentence for sentence in aside)
    campaigns = attacked.sql("select value from ops.set_aside where tenant_id = 'beta' and field = 'page.url'")
    assert CAMPAIGN_THAT_IS_NO_TEXT in {row["value"] for row in campaigns}


def test_the_odd_leads_arrive_as_well(attacked: Stack) -> None:
    def delivered() -> bool | None:
        states = attacked.sql(
            "select state, count() as number from marts.deliveries where tenant_id = 'beta' group by state"
        )
        by_state = {row["state"]: row["number"] for row in states}
        waiting = sum(by_state.get(state, 0) for state in ("pending", "in_flight", "retry", "delivered"))
        return True if by_state.get("verified", 0) > 20 and not waiting else None

    eventually("nothing waits", delivered, 300)
    read = attacked.sql("select campaign from marts.leads where tenant_id = 'beta' and source = 'jornal'")
    assert read == [{"campaign": "promo%E7%E3o"}]


def test_too_much_money_is_set_aside_and_the_funnel_goes_on(attacked: Stack) -> None:
    named = attacked.sql("select value from ops.set_aside where field = 'properties.value' and reason = 'out_of_range'")
    assert str(TOO_MUCH_MONEY) in {row["value"] for row in named}

    def counted() -> bool | None:
        rows = attacked.sql("select sum(leads) as leads from marts.funnel_daily where tenant_id = 'acme'")
        leads = attacked.sql("select count() as leads from marts.leads where tenant_id = 'acme'")
        return True if rows[0]["leads"] == leads[0]["leads"] else None

    eventually("the funnel has every lead of the other tenant", counted)

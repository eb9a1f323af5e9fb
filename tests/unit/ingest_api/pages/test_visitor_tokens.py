"""Tokens of cookies and links: valid for one tenant and purpose, and in links for two minutes."""

from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.pages.visitor import LINK_SECONDS, VisitorTokens, new_tracking_id, seconds_of

ANA = UUID("0197c1ae-0d11-7c55-9b0e-5f7d0a3c2b10")
NOW = 1_741_564_800.0
TOKENS = VisitorTokens("a key")


def test_a_cookie_names_its_visitor_and_a_link_as_well() -> None:
    assert TOKENS.of_cookie("acme", TOKENS.cookie("acme", ANA)) == ANA
    link = TOKENS.of_link("acme", TOKENS.link("acme", ANA, NOW), NOW + LINK_SECONDS)
    assert link is not None
    assert (link.tracking_id, link.until) == (ANA, NOW + LINK_SECONDS)


def test_two_link_tokens_of_a_visitor_differ() -> None:
    """Each is accepted once, and a visitor's pages may request several in the same second."""
    assert TOKENS.link("acme", ANA, NOW) != TOKENS.link("acme", ANA, NOW + 0.001)


def test_a_link_token_expires_after_two_minutes() -> None:
    assert TOKENS.of_link("acme", TOKENS.link("acme", ANA, NOW), NOW + LINK_SECONDS + 1) is None


def test_a_token_is_invalid_for_another_tenant_purpose_or_key() -> None:
    cookie, link = TOKENS.cookie("acme", ANA), TOKENS.link("acme", ANA, NOW)
    assert TOKENS.of_cookie("beta", cookie) is None
    assert TOKENS.of_link("beta", link, NOW) is None
    assert TOKENS.of_cookie("acme", link) is None
    assert TOKENS.of_link("acme", cookie, NOW) is None
    assert VisitorTokens("another key").of_cookie("acme", cookie) is None


def test_a_cookie_records_whether_the_collector_made_its_id() -> None:
    said, minted = TOKENS.cookie("acme", ANA), TOKENS.cookie("acme", ANA, is_minted=True)
    assert TOKENS.of_cookie("acme", minted) == TOKENS.minted_of_cookie("acme", minted) == ANA
    assert TOKENS.minted_of_cookie("acme", said) is None


def test_an_id_made_by_the_collector_has_its_time_and_is_unique() -> None:
    made = [new_tracking_id(NOW) for _ in range(100)]
    assert {(each.version, each.variant, seconds_of(each)) for each in made} == {(7, RFC_4122, NOW)}
    assert len(set(made)) == 100


def test_while_the_key_is_changed_the_old_one_is_accepted() -> None:
    both = VisitorTokens("a new key, a key")
    assert both.of_cookie("acme", TOKENS.cookie("acme", ANA)) == ANA
    assert VisitorTokens("a new key").of_cookie("acme", both.cookie("acme", ANA)) == ANA


@pytest.mark.parametrize("position", range(len(TOKENS.cookie("acme", ANA)) - 1))
def test_a_changed_letter_spoils_a_token(position: int) -> None:
    token = TOKENS.cookie("acme", ANA)
    changed = token[:position] + ("B" if token[position] == "A" else "A") + token[position + 1 :]
    assert TOKENS.of_cookie("acme", changed) is None


@given(st.text())
def test_arbitrary_text_is_an_invalid_token_without_an_error(text: str) -> None:
    assert TOKENS.of_cookie("acme", text) is None
    assert TOKENS.of_link("acme", text, NOW) is None

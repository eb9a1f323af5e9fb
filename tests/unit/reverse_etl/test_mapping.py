"""Which property gets what: a product's mapping, a tenant's over it, and what a wrong line is told."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from echolead.operational.destination_kinds import KINDS as DESTINATION_KINDS
from reverse_etl.destination import Finding
from reverse_etl.destinations import KINDS
from reverse_etl.lead import Click, Lead, LeadEvent
from reverse_etl.mapping import MappingError, PropertyMap
from reverse_etl.property_types import PropertyType, joined, milliseconds

URL = "https://console.test/leads?lead_id=l1"
NOON = datetime(2026, 3, 1, 15, tzinfo=UTC)
DEFAULTS = """
contact:
  email: email
  firstname: first_name
  lastname: last_name
  echolead_channel: attributes.channel
  echolead_gclid: clicks.gclid
  echolead_url: url
  lifecyclestage: {value: lead, when: create}
deal:
  amount: events.won.value
"""
TYPES = {
    "email": PropertyType("text"),
    "firstname": PropertyType("text", max_length=40),
    "lastname": PropertyType("text", max_length=40),
    "echolead_channel": PropertyType("option", options={"Busca paga": "paid_search", "Direto": "direct"}),
    "echolead_gclid": PropertyType("text"),
    "echolead_url": PropertyType("text"),
    "lifecyclestage": PropertyType("option", options={"Lead": "lead"}),
    "first_day": PropertyType("date"),
    "first_at": PropertyType("datetime", write=milliseconds),
    "interests": PropertyType("options", options={"Seguro": "seguro", "Imóvel": "imovel"}, write=joined(";")),
    "score": PropertyType("number", is_writable=False),
    "amount": PropertyType("number"),
}
LEAD = Lead(
    lead_id="l1",
    name="Ana Souza Lima",
    email="ana@example.com",
    labels=("seguro", "barco"),
    attributes={"channel": "Paid Search", "sessions_count": 2},
    consent={"marketing": "granted"},
    clicks=(Click("gclid", "Old", NOON), Click("fbclid", "IwAR_a-B9", NOON), Click("gclid", "New_x", NOON)),
    events=(
        LeadEvent("e1", "won", NOON, value=Decimal("10.00"), order_id="A1"),
        LeadEvent("e2", "won", NOON, value=Decimal("1234.50"), order_id="A2"),
    ),
    first_touch_at=datetime(2026, 3, 2, 1, 30, tzinfo=UTC),
    time_zone="America/Sao_Paulo",
)


def test_a_products_own_mapping_is_enough() -> None:
    mapping = PropertyMap.of("", DEFAULTS)
    written = mapping.written("contact", LEAD, TYPES, url=URL, is_new=True)
    assert written.properties == {
        "email": "ana@example.com",
        "firstname": "Ana",
        "lastname": "Souza Lima",
        "echolead_gclid": "New_x",
        "echolead_url": URL,
        "lifecyclestage": "lead",
    }
    assert written.notes == ("contact echolead_channel: 'Paid Search' was left out: there is no such option.",)
    assert mapping.written("deal", LEAD, TYPES, url=URL, is_new=True).properties == {"amount": 1234.5}


def test_what_is_meant_for_a_new_record_is_not_written_to_a_known_one() -> None:
    """A stage that sales has moved on goes back when each delivery writes it."""
    written = PropertyMap.of("", DEFAULTS).written("contact", LEAD, TYPES, url=URL, is_new=False)
    assert "lifecyclestage" not in written.properties


def test_a_tenants_mapping_replaces_adds_and_takes_away() -> None:
    mapping = PropertyMap.of(
        """
contact:
  echolead_channel: {from: attributes.channel, options: {Paid Search: Busca paga}}
  firstname: {from: name, max_length: 9}
  echolead_url: null
  first_day: first_touch_at
  first_at: {from: first_touch_at}
  interests: labels
""",
        DEFAULTS,
    )
    written = mapping.written("contact", LEAD, TYPES, url=URL, is_new=False)
    assert written.properties == {
        "email": "ana@example.com",
        "firstname": "Ana Souza",
        "lastname": "Souza Lima",
        "echolead_channel": "paid_search",
        "echolead_gclid": "New_x",
        "first_day": "2026-03-01",
        "first_at": 1772415000000,
        "interests": "seguro",
    }
    assert written.notes == (
        "contact firstname: cut from 14 to 9 characters, as it holds 9.",
        "contact interests: 'barco' left out: there is no such option.",
    )
    assert mapping.records["deal"] == PropertyMap.of("", DEFAULTS).records["deal"]


def test_a_property_that_is_not_there_or_not_writable_costs_nothing_but_itself() -> None:
    """One field without rights stopped all leads of a tenant."""
    mapping = PropertyMap.of("contact: {gone: email, score: attributes.sessions_count}", "contact: {email: email}")
    written = mapping.written("contact", LEAD, TYPES, url=URL, is_new=True)
    assert written.properties == {"email": "ana@example.com"}
    assert written.notes == (
        "contact gone: the account has no such property.",
        "contact score: not writable for this user.",
    )


def test_an_unknown_value_says_nothing() -> None:
    mapping = PropertyMap.of("contact: {score: attributes.absent, amount: events.qualified.value}", DEFAULTS)
    written = mapping.written("contact", Lead("l2"), TYPES, url="", is_new=False)
    assert (written.properties, written.notes) == ({}, ())


def test_each_mapped_property_is_compared_with_the_account() -> None:
    mapping = PropertyMap.of(
        "contact: {gone: email, score: email, lifecyclestage: {value: cliente}, first_day: null}",
        "contact: {email: email, echolead_new: url}",
    )
    assert mapping.findings("contact", TYPES, made_by_setup=["echolead_new"]) == [
        Finding("contact email", "ok", "text"),
        Finding("contact echolead_new", "missing", "setup makes it"),
        Finding("contact gone", "wrong", "the account has no such property: make it there, or map another one"),
        Finding("contact score", "note", "not writable for this user, so that it is left out"),
        Finding("contact lifecyclestage", "note", "no such option, so that it is left out: cliente"),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("contact:\n  email: e-mail", "line 2: 'e-mail' is no source: use lead_id, name"),
        ("contact:\n  email: attributes", "line 2: 'attributes' is no source"),
        ("contact:\n  amount: events.won.price", "line 2: 'events.won.price' is no source"),
        ("contact:\n  email: email\n  email: name", "line 3: email is there twice"),
        ("contact:\n  email: {from: email, whem: create}", "line 2: 'whem' is not known: use from, value, when"),
        ("contact:\n  email:\n    when: create", "line 3: email needs one of `from` and `value`"),
        ("contact:\n  email: {from: email, value: x}", "line 2: email needs one of"),
        ("contact:\n  email: {from: email, when: sometimes}", "line 2: `when` is `always` or `create`"),
        ("contact:\n  email: {from: email, max_length: no}", "line 2: `max_length` is a number"),
        ("contact:\n  email: {from: email, max_length: 0}", "line 2: `max_length` is a number"),
        ("contact:\n  email: {from: email, options: [a]}", "line 2: here should be `options` with"),
        ("contact:\n  email: {value: [a]}", "line 2: here should be one value"),
        ("contact:\n  email: [email]", "line 2: here should be what email gets"),
        ("person:\n  email: email", "line 1: there is no record 'person': use contact, deal"),
        ("contact:\n\n  email: email\n name: x", "line 4: this is no YAML"),
        ("contact:\n  email: 'a", "this is no YAML"),
        ("- contact", "line 1: here should be records"),
        ("contact: email", "line 1: here should be properties"),
        ("contact:\n  email: *gone", "line 2: this is no YAML"),
        ("contact:\n  email: {value: !!python/object:os.system x}", "line 2: this value cannot be read"),
        ("a: " + "x" * 70_000, "over 65536 characters"),
    ],
)
def test_a_wrong_line_is_named_with_what_to_do(text: str, sentence: str) -> None:
    with pytest.raises(MappingError) as caught:
        PropertyMap.of(text, DEFAULTS)
    assert sentence in str(caught.value)


def test_a_date_in_a_mapping_stays_as_it_is_written() -> None:
    mapping = PropertyMap.of("contact: {first_day: {value: 2026-03-01}}", "contact: {}")
    assert mapping.written("contact", LEAD, TYPES, url="", is_new=True).properties == {"first_day": "2026-03-01"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_console_and_the_api_know_which_products_have_a_mapping(kind: str) -> None:
    assert DESTINATION_KINDS[kind].has_mapping is hasattr(KINDS[kind], "preview")

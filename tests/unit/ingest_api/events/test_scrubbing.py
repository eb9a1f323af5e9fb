"""Secrets in addresses are not stored; campaign parameters are stored byte by byte."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echolead.events import CLICK_ID_FIELDS, UTM_FIELDS
from ingest_api.events.batch import check_batch
from ingest_api.events.scrubbing import ENDINGS, MAX_EMAILS, REMOVED, SECRET_NAME, scrub
from ingest_api.pages.pixel import page_view

AT = "2025-07-01T12:00:00.000-03:00"
TRACKING = "&".join(f"{name}=Token@{number}.com" for number, name in enumerate((*UTM_FIELDS, *CLICK_ID_FIELDS)))


def event_at(address: str, query: str = "", **fields: Any) -> dict[str, Any]:
    """An event with the address everywhere an address can be."""
    point = {"at": AT, "landing_url": address, "referrer": address, "params": {"token": "a@b.com"}, "cookies": {}}
    return {
        "event_id": "0197c1b2-6f80-7a31-8f4e-0c8a5be4d911",
        "name": "page_view",
        "tracking_id": "0197c1ae-0d11-7c55-9b0e-5f7d0a3c2b10",
        "session_id": "0197c1ae-0d12-7e08-a1c4-3b9f6f0e7a55",
        "occurred_at": AT,
        "page": {"url": address, "referrer": address, "query": query, "title": "token=x&a@b.com"},
        "touch": {"first": point, "last": point, "last_non_direct": point},
        "user": {"email": "ana@acme.example"},
        "properties": {"url": address, "note": address},
        **fields,
    }


def stored(text: str) -> bytes:
    """The event as it goes on the queue."""
    checked = check_batch(f'{{"events":[{text}]}}'.encode(), "BR")
    assert checked.rejected == []
    return bytes(checked.accepted[0].event)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://a.test/?password=p", "https://a.test/?password=[removed]"),
        ("https://a.test/?SENHA=p&x=1", "https://a.test/?SENHA=[removed]&x=1"),
        ("https://a.test/?x=1;token=t", "https://a.test/?x=1;token=[removed]"),
        ("https://a.test/?x=1?token=t&#38;senha=s", "https://a.test/?x=1?token=[removed]&#38;senha=[removed]"),
        ("https://a.test/?+token=t&%20senha=s", "https://a.test/?+token=[removed]&%20senha=[removed]"),
        ("https://a.test/?resetToken=t&accessToken=t", "https://a.test/?resetToken=[removed]&accessToken=[removed]"),
        ("https://a.test/?access_token=t#id_token=u", "https://a.test/?access_token=[removed]#id_token=[removed]"),
        ("https://a.test/#/reset?token=t", "https://a.test/#/reset?token=[removed]"),
        ("https://a.test/?api_key=k&apikey=k&api-key=k", "https://a.test/?api_key=[removed]&apikey=[removed]&api-key=[removed]"),
        ("https://a.test/?client_secret=s&auth=a", "https://a.test/?client_secret=[removed]&auth=[removed]"),
        ("https://a.test/?session=s&session_id=s&PHPSESSID=s", "https://a.test/?session=[removed]&session_id=[removed]&PHPSESSID=[removed]"),
        ("https://a.test/?user[password]=p&user%5Bpwd%5D=p", "https://a.test/?user[password]=[removed]&user%5Bpwd%5D=[removed]"),
        ("https://a.test/cb?code=c&state=s", "https://a.test/cb?code=[removed]&state=s"),
        ("https://a.test/cb#state=s&code=c", "https://a.test/cb#state=s&code=[removed]"),
        ("https://a.test/#/cb?code=c;state=s", "https://a.test/#/cb?code=[removed];state=s"),
        ("https://a.test/cb?state=s#code=c", "https://a.test/cb?state=s#code=[removed]"),
        ("https://a.test/?email=ana%40acme.example&x=1", "https://a.test/?email=[removed]&x=1"),
        ("https://a.test/?q=write+to+ana.b@acme.com.br+now", "https://a.test/?q=[removed]+now"),
        ("https://a.test/?ana@acme.example", "https://a.test/?[removed]"),
        ("https://a.test/?m=ana%2540acme.example", "https://a.test/?m=[removed]"),
        ("https://a.test/?ana@acme.example=1&a@b.cd@e.f&g@h.i_token=1", "https://a.test/?[removed]=1&[removed][removed]&[removed]=[removed]"),
        ("https://a.test/?otp=1&totp=2&pin=3&user[pin]=4&passcode=5", "https://a.test/?otp=[removed]&totp=[removed]&pin=[removed]&user[pin]=[removed]&passcode=[removed]"),
        ("https://a.test/?aws_access_key=k&x-site-key=k&accessKey=k", "https://a.test/?aws_access_key=[removed]&x-site-key=[removed]&accessKey=[removed]"),
        ("https://a.test/?credential=c&client_assertion=a", "https://a.test/?credential=[removed]&client_assertion=[removed]"),
        ("https://a.test/acs?SAMLResponse=PHNhbWw%2B&RelayState=r", "https://a.test/acs?SAMLResponse=[removed]&RelayState=r"),
        ("https://a.test/?cpf=123.456.789-09&doc.cpf=1", "https://a.test/?cpf=[removed]&doc.cpf=[removed]"),
        ("https://a.test/?p%61ssword=p&passwor%64=p", "https://a.test/?p%61ssword=[removed]&passwor%64=[removed]"),
        ("https://a.test/?%2574oken=t&toke%256E=t", "https://a.test/?%2574oken=[removed]&toke%256E=[removed]"),
        ("https://ana:p@ss@a.test/b@c?x=1", "https://a.test/b@c?x=1"),
        ("//ana@a.test", "//a.test"),
        ("ftp://ana:p;q&r=s@a.test:21/", "ftp://a.test:21/"),
    ],
)  # fmt: skip
def test_a_secret_is_removed_wherever_an_address_is(address: str, expected: str) -> None:
    event = event_at(address, address.partition("?")[2])
    found = json.loads(stored(json.dumps(event)))
    point = {**event["touch"]["first"], "landing_url": expected, "referrer": expected}
    page = {**event["page"], "url": expected, "referrer": expected, "query": expected.partition("?")[2]}
    touch = dict.fromkeys(("first", "last", "last_non_direct"), point)
    assert found == {**event, "page": page, "touch": touch, "properties": {"url": expected, "note": address}}


@pytest.mark.parametrize(
    "address",
    [
        pytest.param(f"https://a.test/?{TRACKING}", id="utm_* and click ids, whatever they hold"),
        pytest.param("https://a.test/?code=PROMO10&country_code=BR", id="a voucher"),
        pytest.param(
            "https://a.test/?keyword=k&author=a&sessions=3&compass=n&passport=p&key=k&monkey=m&spin=s&cpfs=c",
            id="names that are longer",
        ),
        pytest.param("https://a.test/?nam%65=p&pass%6Eger=q&utm_content=a%20b%3D&x=%70assword", id="encoded names"),
        pytest.param("https://a.test/password/reset", id="a path"),
        pytest.param("mailto:contato@a.test", id="a mailbox that a link leads to"),
        pytest.param("https://maps.test/@-23.5,-46.6?z=1", id="an at sign in a path"),
        pytest.param("https://a.test/?password=&token", id="names without a value"),
        pytest.param("https://a.test/?handle=@ana", id="a name that is not an address"),
    ],
)
def test_addresses_without_a_secret_are_stored_byte_by_byte(address: str) -> None:
    text = json.dumps(event_at(address, address.partition("?")[2]), separators=(" , ", " : "))
    assert stored(text) == text.encode()


def test_values_beside_a_secret_are_stored_byte_by_byte() -> None:
    values = '{"n": 1.50e+1,  "s": "\\u00e9 é \\/", "big": 123456789012345678901234567890}'
    text = json.dumps(event_at("https://a.test/?token=t", properties=0)).replace(
        '"properties": 0', f'"properties": {values}'
    )
    kept = stored(text)
    assert values.encode() in kept
    assert b"token=t&" not in kept


@pytest.mark.parametrize("url", ["7", "null", '["https://a.test/?token=t"]', '{"url": "https://a.test/?token=t"}'])
def test_a_property_that_is_not_an_address_is_stored_unchanged(url: str) -> None:
    text = json.dumps(event_at("https://a.test/", properties=0)).replace(
        '"properties": 0', f'"properties": {{"url": {url}}}'
    )
    assert stored(text) == text.encode()


def test_a_clicked_link_is_scrubbed_and_other_properties_are_stored_byte_by_byte() -> None:
    properties = '{"n": 1.50e+1, "url": "https://b.test/?token=t", "kind": "\\u006futbound"}'
    text = json.dumps(event_at("https://a.test/", name="click", properties=0))
    kept = stored(text.replace('"properties": 0', f'"properties": {properties}'))
    assert b'"properties":{"n":1.50e+1,"url":"https://b.test/?token=[removed]","kind":"\\u006futbound"}' in kept


secret_names = st.from_regex(SECRET_NAME, fullmatch=True, alphabet="abcdefghijklmnopqrstuvwxyz_.-[]").filter(
    lambda name: not name.startswith("utm_") and name not in CLICK_ID_FIELDS
)


@given(secret_names, st.integers(min_value=0))
def test_the_quick_check_finds_every_name_of_a_secret(name: str, capitals: int) -> None:
    spelled = "".join(c.upper() if capitals >> place & 1 else c for place, c in enumerate(name))
    assert spelled[-3:] in ENDINGS
    assert scrub(f"https://a.test/?x=1&{spelled}=s&y=2") == f"https://a.test/?x=1&{spelled}={REMOVED}&y=2"


@given(secret_names, st.integers(min_value=0), st.integers(1, 3))
def test_percent_encoded_names_are_recognised(name: str, encoded: int, times: int) -> None:
    sign = "%" + "25" * (times - 1)
    spelled = "".join(f"{sign}{ord(c):02X}" if encoded >> place & 1 else c for place, c in enumerate(name))
    assert scrub(f"{spelled}=s", is_query=True) == f"{spelled}={REMOVED}"


@given(st.text(max_size=200) | st.text(alphabet="a:/@?=%40.\\", max_size=40), st.booleans())
def test_scrubbing_twice_changes_nothing_more(text: str, is_query: bool) -> None:
    once = scrub(text, is_query=is_query)
    assert scrub(once, is_query=is_query) == once


@given(
    st.lists(st.tuples(st.sampled_from([*UTM_FIELDS, *CLICK_ID_FIELDS]), st.text(alphabet="Aa0@.%-_=", max_size=20)))
)
def test_tracking_parameters_are_never_touched_beside_a_secret(pairs: list[tuple[str, str]]) -> None:
    tracking = "&".join(f"{name}={value}" for name, value in pairs)
    assert (
        scrub(f"https://a.test/?token=t&{tracking}&senha=s")
        == f"https://a.test/?token=[removed]&{tracking}&senha=[removed]"
    )


def test_parameters_beyond_the_limit_of_at_signs_are_removed_whole() -> None:
    """At signs outside of e-mail addresses count as well, because the search takes the time. Other parameters stay."""
    few = "&".join(f"a{n}=@{n}" for n in range(MAX_EMAILS - 1))
    assert scrub(f"https://a.test/?{few}&m=ana@acme.example&x=1") == f"https://a.test/?{few}&m={REMOVED}&x=1"
    assert (
        scrub(f"https://a.test/?{few}&m=a@b.c,@&gclid=@&token=t&n=ana%40acme.example&utm_id=a@b.c&x=1")
        == f"https://a.test/?{few}&{REMOVED}&gclid=@&token={REMOVED}&{REMOVED}&utm_id=a@b.c&x=1"
    )


@pytest.mark.parametrize("spelling", ["{}", "%41{}", "a_{}"])
def test_every_one_of_thousands_of_parameters_is_checked(spelling: str) -> None:
    """Names are decoded all at once; one with an encoded `&` is still one, and every value is that of its own name."""
    names = [
        spelling.format(name) for name in ("a", "token", "a%26token", "a%2526", "b", "%74oken", "a%0Ab", "c%", "%E2%82")
    ]
    secret = [spelling.format(name) for name in ("token", "%74oken")]
    address = "https://a.test/?" + "&".join(f"{name}={n}&utm_id={n}" for n in range(100) for name in names)
    expected = "https://a.test/?" + "&".join(
        f"{name}={REMOVED if name in secret else n}&utm_id={n}" for n in range(100) for name in names
    )
    assert scrub(address) == expected


def test_the_pixel_scrubs_as_well() -> None:
    query = b"url=https%3A%2F%2Fa.test%2F%3Ftoken%3Dt%26gclid%3DAbc&referrer=https%3A%2F%2Fb.test%2F%3Fsenha%3Ds"
    page = page_view(query, {}, datetime.now(UTC)).page
    assert (page.url, page.query) == ("https://a.test/?token=[removed]&gclid=Abc", "token=[removed]&gclid=Abc")
    assert page.referrer == "https://b.test/?senha=[removed]"

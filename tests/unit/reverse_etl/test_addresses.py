"""An address that a visitor's browser reports leaves EchoLead only if following it opens a page or names an app."""

from typing import Any

import pytest

from reverse_etl.lead import Lead

EVENT = {"event_id": "e", "name": "lead", "at": "2026-03-10T12:00:00+00:00"}


def told(address: str) -> tuple[str, Any, Any]:
    """What destinations get of an address, as the page of an event, as a landing page and as a referrer."""
    attributes = {"first_landing_page": address, "referrer": address, "campaign": address}
    lead = Lead.of({"lead_id": "l", "attributes": attributes, "events": [{**EVENT, "page_url": address}]})
    assert lead.attributes["campaign"] == address  # a name is no address
    return lead.events[0].page_url, lead.attributes.get("first_landing_page", ""), lead.attributes.get("referrer", "")


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "JavaScript://lp.test/%0aalert(1)", " \tjava\nscript:alert(1)", "\x01javascript:alert(1)",
     "data:text/html,<script>alert(1)</script>", "vbscript:x", "file:///etc/passwd", "blob:https://lp.test/1"]
)  # fmt: skip
def test_an_address_that_runs_a_program_or_opens_a_file_is_left_out(address: str) -> None:
    assert told(address) == ("", "", "")


@pytest.mark.parametrize(
    "address",
    ["https://lp.test/?q=javascript:alert(1)", "HTTP://lp.test:8080/a:b", "/precos", "lp.test/a", "//lp.test/a",
     "android-app://com.google.android.googlequicksearchbox/"],
)  # fmt: skip
def test_an_address_of_a_page_or_an_app_stays_byte_for_byte(address: str) -> None:
    assert told(address) == (address, address, address)

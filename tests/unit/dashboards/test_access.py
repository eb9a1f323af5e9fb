"""The tenant a page shows is always one of the user's own."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest


def choosing() -> None:
    from uuid import UUID  # noqa: PLC0415  # the page is a script of its own

    import streamlit as st  # noqa: PLC0415

    from dashboards.access import choose_tenant  # noqa: PLC0415
    from echolead.security import SignedIn  # noqa: PLC0415

    own = dict.fromkeys(st.session_state.own, "viewer")
    chosen = choose_tenant(SignedIn(UUID(int=7), "ana@acme.test", tenants=own))
    st.text(f"{chosen} {st.session_state.tenant_id}")


def shown(app: AppTest) -> list[str]:
    app.run(timeout=60)
    assert not app.exception
    return [text.value for text in app.text]


def test_a_chosen_tenant_without_a_role_is_dropped() -> None:
    app = AppTest.from_function(choosing)
    app.session_state.own = ["acme", "beta"]
    shown(app)
    app.sidebar.selectbox[0].select("beta")
    assert shown(app) == ["beta beta"]
    app.session_state.own = ["acme"]
    app.query_params.clear()  # as on another page: the address names no tenant
    assert shown(app) == ["acme acme"]


@pytest.mark.parametrize("own", [["acme"], []])
def test_the_address_selects_only_tenants_of_the_user(own: list[str]) -> None:
    app = AppTest.from_function(choosing)
    app.session_state.own = own
    app.query_params["tenant_id"] = "beta"
    assert shown(app) == []


def test_without_a_cookie_only_the_sign_in_is_shown() -> None:
    app = AppTest.from_file("../../../dashboards/app.py").run(timeout=60)
    assert not app.exception
    assert app.markdown[0].value.startswith("This console shows people's data.")
    assert not app.sidebar.selectbox


def test_signing_in_leads_back_to_the_page_that_was_asked_for() -> None:
    """A link to a lead, opened after the session has ended."""
    app = AppTest.from_file("../../../dashboards/app.py")
    app.query_params["lead_id"] = "lead 1"
    app.run(timeout=60)
    (link,) = re.findall('href="(.*?)"', "".join(each.proto.body for each in app.get("html")))
    (back,) = parse_qs(urlsplit(unescape(link)).query)["next"]
    assert urlsplit(back).query == "lead_id=lead+1"

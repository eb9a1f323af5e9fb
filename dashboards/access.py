"""Access to the console: the user of the session cookie, and the tenant they chose."""

from html import escape
from urllib.parse import urlencode

import streamlit as st

from dashboards.texts import t
from dashboards.warehouse import settings
from echolead.security import SignedIn
from echolead.signed_in import ApiUnavailable, NoSession, NotSignedIn, SeveralSessions, WhoIs


def sign_in_url() -> str:
    """URL of the API's sign-in page, which redirects back to the open page."""
    console = settings().console_url
    here = st.context.url or console
    path = here.removeprefix(here.split("//", 1)[0] + "//").partition("/")[2]
    asked = urlencode(st.query_params.to_dict())
    back = f"{console}/{path.partition('?')[0]}" + (f"?{asked}" if asked else "")
    return f"{settings().collector_url}/login?{urlencode({'next': back})}"


@st.cache_resource
def who_is() -> WhoIs:
    """Asks the API whose a session is."""
    return WhoIs.of(settings())


def current_session() -> tuple[SignedIn | None, str]:
    """The signed-in user with their current roles, or None and the key of the text with the reason.

    The cookie is the one with which the browser opened the page; each run of the script asks the API about it again.
    """
    try:
        return who_is().signed_in(st.context.headers.get_all("Cookie")), ""
    except NoSession:
        return None, "sign_in_first"
    except SeveralSessions:
        return None, "several_sessions"
    except NotSignedIn:
        return None, "session_ended"
    except ApiUnavailable:
        return None, "api_down"


def go_to(label: str, url: str, *, is_primary: bool = False) -> None:
    """A link in the form of a button that opens in the same tab; Streamlit's own link button opens a second one."""
    colours = "background:#0f766e;color:#fff" if is_primary else "border:1px solid #dfe6e4;color:inherit"
    style = f"{colours};display:inline-block;padding:.45rem .9rem;border-radius:.6rem;text-decoration:none"
    st.html(f'<a href="{escape(url)}" style="{style}">{escape(label)}</a>')


def offer_sign_in(problem: str) -> None:
    """Show the reason and a link to the sign-in page."""
    _, middle, _ = st.columns([1, 2, 1])
    with middle:
        st.title("EchoLead")
        st.write(t(problem))
        go_to(t("sign_in"), sign_in_url(), is_primary=True)


def shown_tenant(session: SignedIn) -> str:
    """The tenant that `choose_tenant` shows; '' where it shows none."""
    own = sorted(session.tenants)
    asked = st.query_params.get("tenant_id", st.session_state.get("shown_tenant"))
    return asked if asked in own else own[0] if own and "tenant_id" not in st.query_params else ""


def choose_tenant(session: SignedIn) -> str:
    """The tenant to show: the one in the address, else the last chosen one. It is always one of the user's tenants.

    Another tenant's page begins without the filters of this one: the address keeps none of them.
    """
    own = sorted(session.tenants)
    if not own:
        st.info(t("no_tenant"))
        st.stop()
    asked = st.query_params.get("tenant_id", st.session_state.get("shown_tenant"))
    if asked is not None and asked not in own and "tenant_id" in st.query_params:
        st.error(t("foreign_tenant"), icon=":material/lock:")
        st.stop()
    st.session_state.tenant_choice = asked if asked in own else own[0]

    def choose() -> None:
        st.query_params.clear()
        st.query_params["tenant_id"] = st.session_state.tenant_choice

    chosen = st.sidebar.selectbox(
        t("tenant"), own, key="tenant_choice", on_change=choose, label_visibility="collapsed"
    )  # fmt: skip
    st.query_params["tenant_id"] = chosen
    st.session_state.tenant_id = st.session_state.shown_tenant = chosen
    return str(chosen)

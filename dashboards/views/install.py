"""How does the script come onto the landing page, and does its first event arrive?"""

from html import escape
from urllib.parse import parse_qsl, urlsplit

import streamlit as st

from dashboards.listings.install import NEWEST_EVENTS, SHOWN, hosts
from dashboards.page import OpenPage, empty, opened, part, plain
from dashboards.tables import show
from dashboards.texts import forms, named, t
from dashboards.warehouse import settings

ASK_AGAIN_SECONDS = 4
CONSENTS = ("", "granted", "wait", "denied")


def snippet(host: str, path: str, *, consent: str, counts_pages: bool, has_chat: bool, is_async: bool) -> str:
    """The tag for the page's head; attributes at their default are left out."""
    attributes = {
        "data-consent": consent,
        "data-pages": "" if counts_pages else "off",
        "data-chatwoot": "" if has_chat else "off",
    }
    said = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items() if value)
    return f'<script{" async" if is_async else ""} src="https://{escape(host)}{escape(path)}.js"{said}></script>'


def show_snippet(page: OpenPage) -> None:
    """The options and the tag they make."""
    known = hosts(page.asked)
    st.subheader(t("snippet"))
    if not known:
        empty("no_hosts")
        return
    left, right = st.columns(2)
    host = left.selectbox(t("host"), known)
    consent = right.selectbox(t("consent_before"), CONSENTS, format_func=lambda each: t(f"consent_{each or 'tenant'}"))
    with st.container(horizontal=True):
        counts_pages = st.checkbox(t("counts_pages"), value=True)
        has_chat = st.checkbox(t("has_chat"), value=True)
        is_async = st.checkbox(t("is_async"), value=True)
    tag = snippet(
        str(host), settings().collect_path, consent=str(consent), counts_pages=counts_pages, has_chat=has_chat,
        is_async=is_async,
    )  # fmt: skip
    st.code(tag, language="html", wrap_lines=True)
    st.caption(t("snippet_caption"))


@st.fragment(run_every=ASK_AGAIN_SECONDS)
def show_waiting(page: OpenPage) -> None:
    """What arrived in the last hour, asked again every few seconds."""
    with part("newest_events"):
        rows = NEWEST_EVENTS.rows(page.asked_for(SHOWN))
        if rows.empty:
            st.info(t("waiting_for_event"), icon=":material/hourglass_top:")
            return
        first = rows.iloc[0]
        spoken = forms()
        parameters = parse_qsl(urlsplit(str(first["page_url"])).query)
        said = ", ".join(f"{name} = {value}" for name, value in parameters) or t("no_parameters")
        st.success(
            plain(t("event_seen", event=named("event", str(first["event_name"])),
                    at=spoken.moment(first["received_at"], page.zone, seconds=True),
                    page=str(first["page_url"]).partition("?")[0], parameters=said)),
            icon=":material/check_circle:",
        )  # fmt: skip
        show(NEWEST_EVENTS, page.asked, rows, t("newest_events"))


def main() -> None:
    """The page."""
    page = opened("install", has_period=False)
    with part("snippet"):
        show_snippet(page)
    st.subheader(t("newest_events"))
    show_waiting(page)
    st.caption(t("newest_caption"))


main()

"""The console: sign-in, choice of tenant and language, and the pages."""

from urllib.parse import urlsplit

import streamlit as st

from dashboards import design
from dashboards.access import choose_tenant, current_session, go_to, offer_sign_in, shown_tenant
from dashboards.acting import remember_language
from dashboards.navigation import pages
from dashboards.page import plain
from dashboards.texts import LANGUAGES, language, t
from dashboards.warehouse import settings

# An inline icon: the browser would fetch a Material icon for the tab from another company.
TAB_ICON = """
<svg viewBox="0 0 24 24" fill="#0f766e">
<path d="M7 18V6h2v12zm4 4V2h2v20zm-8-8v-4h2v4zm12 4V6h2v12zm4-4v-4h2v4z"/>
</svg>
""".strip()
st.set_page_config(page_title="EchoLead", page_icon=TAB_ICON, layout="wide")
design.apply()

session, problem = current_session()
if session is not None and "language" not in st.session_state:
    st.session_state.language = session.language or language()
allowed = pages(session, shown_tenant(session)) if session is not None else pages()
chosen = st.navigation(allowed, position="hidden" if session is None else "sidebar", expanded=True)
if session is None:
    offer_sign_in(problem)
    st.stop()
choose_tenant(session)
st.session_state.user = session
with st.sidebar:
    st.segmented_control(
        t("language"), list(LANGUAGES), format_func=LANGUAGES.__getitem__, key="language",
        on_change=remember_language, label_visibility="collapsed",
    )  # fmt: skip
    st.text(session.email)
    go_to(t("sign_out"), f"{settings().collector_url}/logout")
asked = urlsplit(st.context.url or "").path.rpartition("/")[2]
if asked not in {"", *(page.url_path for page in allowed)}:  # Streamlit shows the first page then
    st.warning(t("no_such_page", name=plain(asked)), icon=":material/wrong_location:")
chosen.run()

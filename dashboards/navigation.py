"""The pages of the console, in the order of the menu, and links between them that keep the filters."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from dashboards.texts import t
from echolead.permissions import may
from echolead.security import SignedIn

VIEWS = Path(__file__).parent / "views"
# Name of the page, which is its path and the key of its title; its file; its icon.
PAGES = (
    ("overview", "overview", "monitoring"),
    ("campaigns", "campaigns", "campaign"),
    ("leads", "leads", "group"),
    ("conversations", "conversations", "forum"),
    ("health", "health", "ecg_heart"),
    ("install", "install", "code"),
    ("tables", "marts", "table_view"),
    ("design", "design", "palette"),
)
# Pages on which people act, behind the others, with the operation of `echolead.permissions` that they begin with.
ACTING = (
    ("rules", "rules", "rule", "rules.read"),
    ("destinations", "destinations", "outbox", "destinations.read"),
    ("replay", "replay", "replay", "replays.read"),
    ("dead_letters", "dead_letters", "markunread_mailbox", "dead_letters.read"),
    ("quarantine", "quarantine", "coronavirus", "quarantine.read"),
    ("hours", "hours", "schedule", "hours.read"),
    ("users_and_keys", "team", "manage_accounts", "users.read"),
    ("audit", "audit", "history", "audit.read"),
)
HOME = "overview"


def pages(user: SignedIn | None = None, tenant_id: str = "") -> list[StreamlitPage]:
    """The pages for `st.navigation` that the user may read. The default one is also served at its own path.

    Without a user there are all of them, so that an address leads to its page after signing in.
    """
    acting = [each[:3] for each in ACTING if user is None or may(user, each[3], tenant_id)]
    shown = [
        st.Page(
            VIEWS / f"{file}.py",
            title=t(name),
            icon=f":material/{icon}:",
            url_path="" if name == HOME else name,
            default=name == HOME,
        )
        for name, file, icon in (*PAGES, *acting)
    ]
    return [*shown, st.Page(VIEWS / "overview.py", title=t(HOME), url_path=HOME, visibility="hidden")]


def link(name: str, label: str, said: Mapping[str, Sequence[str]], *, icon: str = "arrow_forward") -> None:
    """A link to a page of the same tenant with the parameters `said`."""
    file = next(file for each, file, *_ in (*PAGES, *ACTING) if each == name)
    page = st.Page(VIEWS / f"{file}.py", url_path="" if name == HOME else name, default=name == HOME)
    query = {"tenant_id": st.session_state.tenant_id, **{key: list(values) for key, values in said.items()}}
    st.page_link(page, label=label, icon=f":material/{icon}:", query_params=query)

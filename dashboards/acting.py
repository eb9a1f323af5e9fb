"""What pages that act have in common: whether the user may, what became of an action, and tasks that take a while."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx
import streamlit as st

from dashboards.access import who_is
from dashboards.control import TIMEOUT_SECONDS, ApiRefusal, ControlClient
from dashboards.texts import LANGUAGES, TEXTS, forms, named, t
from echolead.permissions import may
from echolead.security import SignedIn
from echolead.signed_in import ApiUnavailable, NotSignedIn

OUTCOME = "outcome of the last action"
OPEN_TASKS = ("waiting", "running")
POLL_SECONDS = 2


def can(operation: str) -> bool:
    """Whether the user's present role allows the operation on the shown tenant; the API decides by the same table."""
    user: SignedIn | None = st.session_state.get("user")
    return user is not None and may(user, operation, st.session_state.tenant_id)


@st.cache_resource
def api_connections() -> httpx.Client:
    """The connections to the API, shared by all sessions: no cookie is kept, and each request has its own token."""
    # The API is on the internal network: the environment's proxies are for other hosts.
    return httpx.Client(base_url=who_is().api_url, timeout=TIMEOUT_SECONDS, trust_env=False)


def session_token() -> str:
    """The token of the session that opened the page. Raises `NotSignedIn`."""
    return who_is().token(st.context.headers.get_all("Cookie"))


def control(*, installation: bool = False) -> ControlClient:
    """The control API as the signed-in user, about the shown tenant or the installation. Raises `NotSignedIn`."""
    return client_for(session_token(), "" if installation else st.session_state.tenant_id)


def control_if_signed_in() -> ControlClient | None:
    """As `control`, or None without a session."""
    try:
        return control()
    except NotSignedIn:
        return None


def client_for(token: str, tenant_id: str) -> ControlClient:
    """The control API with the token of a session."""
    return ControlClient(api_connections(), token, tenant_id)


def tenant_key(name: str) -> str:
    """The key of a field that begins with what the shown tenant has.

    Streamlit keeps a field's value by its key: with the same key, another tenant's page would begin with this one's.
    """
    return f"{name} of {st.session_state.tenant_id}"


@contextmanager
def attempt() -> Iterator[None]:
    """A part that asks the API: a refusal is shown in its place with what to do, and the rest of the page stays."""
    try:
        yield
    except ApiRefusal as refusal:
        show_refusal(refusal)
    except ApiUnavailable:
        st.error(t("api_no_answer"), icon=":material/cloud_off:")
    except NotSignedIn:
        st.error(t("session_ended"), icon=":material/lock:")


def remember_language() -> None:
    """Keep the language that was chosen for the account, so that it holds on other devices too."""
    if st.session_state.get("language") in LANGUAGES:
        with attempt():
            control(installation=True).patch("/me", {"language": st.session_state.language})


def show_refusal(refusal: ApiRefusal) -> None:
    """Why the API refused: the kind in the page's language, and the API's sentence, letter for letter."""
    if refusal.detail.startswith("body.reason:"):
        st.error(t("reason_lacking"), icon=":material/edit:")
        return
    key = f"problem_{refusal.kind.replace('-', '_')}"
    st.error(t(key) if key in TEXTS else t("problem_other"), icon=":material/block:")
    st.code(refusal.detail, language=None, wrap_lines=True)


def done(key: str, **values: object) -> None:
    """Run the page anew, which begins with the text of what was done."""
    st.session_state[OUTCOME] = (key, values)
    st.cache_data.clear()
    st.rerun()


def show_outcome() -> None:
    """What the last action did, once."""
    if OUTCOME in st.session_state:
        key, values = st.session_state.pop(OUTCOME)
        st.success(t(key, **values), icon=":material/check_circle:")


def at(moment: str | None) -> datetime | None:
    """A moment of the API's JSON."""
    return datetime.fromisoformat(moment) if moment else None


def who(actor: str) -> str:
    """An actor of the audit log as people read it: a user's e-mail."""
    return actor.removeprefix("user:")


def reason_field(key: str) -> str:
    """The field for why something is done; it is kept with what was done."""
    return st.text_input(t("reason_why"), key=key, max_chars=1000, placeholder=t("reason_example")).strip()


def ask_again(shown: Callable[[], bool]) -> None:
    """Show a part every few seconds while `shown` says that it is under way, then run the page anew.

    Nothing of it is in the session: a page that is closed and opened again shows what the server has.
    """

    def part() -> None:
        with attempt():
            if not shown():
                st.rerun()

    st.fragment(part, run_every=POLL_SECONDS)()


def show_task(task_id: str, zone: str, show_result: Callable[[Mapping[str, Any]], None]) -> None:
    """A task of the API: how far it is with a way to stop it, then its result."""
    task = control().get(f"/tasks/{task_id}").body
    if task["state"] in OPEN_TASKS:
        ask_again(lambda: _show_waiting(task_id, zone))
    elif task["state"] == "done":
        show_result(task["result"])
    elif task["state"] == "failed":
        st.error(t("task_failed_because"), icon=":material/error:")
        st.code(task["message"], language=None, wrap_lines=True)
    else:
        st.info(t("task_was_stopped"), icon=":material/stop_circle:")


def _show_waiting(task_id: str, zone: str) -> bool:
    task = control().get(f"/tasks/{task_id}").body
    if task["state"] not in OPEN_TASKS:
        return False
    asked_at = forms().moment(at(task["created_at"]), zone, seconds=True)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(t("task_goes_on", state=named("task", task["state"]), at=asked_at), icon=":material/hourglass_top:")
        if can("tasks.stop") and st.button(t("stop"), icon=":material/stop_circle:", key=f"stop {task_id}"):
            control().post(f"/tasks/{task_id}/stop")
            return False
    return True

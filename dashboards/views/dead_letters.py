"""Which events were refused, and why? Operators correct them and send them again here."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import pandas as pd
import streamlit as st

from dashboards.acting import at, attempt, can, control, reason_field, who
from dashboards.control import part_of_path
from dashboards.corrected import NotAnEvent, editable, event_of, readable
from dashboards.listings.dead_letters import DEAD_LETTERS, REASON, last_page, reason_of
from dashboards.page import OpenPage, empty, name_unknown, on_first_page, opened, part, plain
from dashboards.tables import show, table
from dashboards.texts import TEXTS, forms, named, t
from echolead.corrections import MOST_LETTERS, NO_EVENTS
from echolead.events import REASONS

LETTER, PAGE = "letter", "page"
"""Parameters of the address: the one letter that is chosen, and the page of the list."""
SEVERAL = "dead letters chosen of "
DRAFT = "draft of dead letter "
REQUEST = ("host", "source", "sent_at", "ip", "user_agent", "trace_id")
EDITOR_HEIGHT, SENT_HEIGHT = 360, 360
SENT_LINES, SENT_CHARACTERS = 15, 2_000
"""Of a text that is shown whole; a longer one is scrolled."""


def choose(page: OpenPage, letters: Sequence[str]) -> None:
    """Keep what is chosen by its ids, as rows move when others arrive: one in the address, several in the session."""
    st.query_params.pop(LETTER, None)
    st.session_state.pop(SEVERAL + page.tenant_id, None)
    if len(letters) == 1:
        st.query_params[LETTER] = letters[0]
    elif letters:
        st.session_state[SEVERAL + page.tenant_id] = list(letters)


def chosen(page: OpenPage) -> list[str]:
    """The ids of the chosen letters."""
    one = st.query_params.get(LETTER, "")
    return [one] if one else list(st.session_state.get(SEVERAL + page.tenant_id, ()))


def turn_to(page: OpenPage, parameter: str, value: str) -> None:
    """Another reason or page of the list, in which nothing is chosen yet."""
    choose(page, [])
    for each in (parameter, PAGE):
        st.query_params.pop(each, None)
    if value:
        st.query_params[parameter] = value


def show_filter(page: OpenPage) -> None:
    """The choice of a reason, kept in the address."""
    name_unknown(page.asked, REASON, REASONS, "reason")
    st.session_state["reason_choice"] = reason_of(page.asked)
    st.selectbox(
        t("reason"), ["", *REASONS], format_func=lambda each: named("refused", each) if each else t("every_reason"),
        key="reason_choice", on_change=lambda: turn_to(page, REASON, st.session_state["reason_choice"]),
    )  # fmt: skip


def show_list(page: OpenPage) -> None:
    """The letters of a page, of which those who may send choose several, others one."""
    asked = page.asked_for(MOST_LETTERS)
    rows = DEAD_LETTERS.rows(asked)
    if rows.empty and page.asked.page() > 1:
        page = on_first_page(page)
        asked = page.asked_for(MOST_LETTERS)
        rows = DEAD_LETTERS.rows(asked)
    if rows.empty:
        show_nothing(page)
        return
    letters = rows["dead_letter_id"].tolist()
    may_send = can("dead_letters.replay")
    # Rows that have moved are another table, so that the selection is never of other letters than it was.
    key = f"dead letters {sha256(' '.join(letters).encode()).hexdigest()}"
    show(
        DEAD_LETTERS, asked, rows, t("dead_letters"), key=key,
        on_select=lambda: choose(page, [letters[each] for each in st.session_state[key].selection.rows]),
        selection_mode="multi-row" if may_send else "single-row",
        selection_default={"selection": {"rows": [letters.index(each) for each in chosen(page) if each in letters]}},
    )  # fmt: skip
    show_pages(page, len(rows))
    if not chosen(page):
        most = forms().number(MOST_LETTERS)
        st.caption(t("choose_dead_letters", most=most) if may_send else t("choose_dead_letter"))


def show_nothing(page: OpenPage) -> None:
    """Nothing was refused, or nothing for this reason."""
    if reason_of(page.asked):
        empty("no_dead_letter_of_reason")
    else:
        st.success(t("no_dead_letter"), icon=":material/check_circle:")
        st.caption(t("no_dead_letter_caption"))


def show_pages(page: OpenPage, rows: int) -> None:
    """The ways to newer and older letters."""
    number = page.asked.page()
    with st.container(horizontal=True):
        for word, other, is_there, icon in (
            ("newer", number - 1, number > 1, "chevron_left"),
            ("older", number + 1, rows == MOST_LETTERS and number < last_page(page.asked_for(rows)), "chevron_right"),
        ):
            if is_there:
                st.button(
                    t(f"letters_{word}"), icon=f":material/{icon}:", type="tertiary", on_click=turn_to,
                    args=(page, PAGE, str(other)),
                )  # fmt: skip


def show_letter(page: OpenPage, letter_id: str) -> None:
    """Why one was refused, what was sent, what to do, and the forms that send it again."""
    letter = control().get(f"/dead-letters/{part_of_path(letter_id)}").body
    reason = letter["reason"]
    st.subheader(plain(t("letter_why", reason=named("refused", reason))))
    received = forms().moment(at(letter["received_at"]), page.zone, seconds=True)
    by = named("refuser", letter["stage"])
    st.markdown(plain(t("letter_refused_by", by=by, at=received, reason=reason)))
    st.code(letter["detail"], language=None, wrap_lines=True)
    if f"remedy_{reason}" in TEXTS:
        st.info(t(f"remedy_{reason}"), icon=":material/build:")
    show_sent_again(letter, page)
    show_sent(letter, page)
    if can("dead_letters.replay") and reason not in NO_EVENTS:
        show_correction(letter)


def show_sent_again(letter: Mapping[str, Any], page: OpenPage) -> None:
    """When it was sent again, by whom and why, so that no other person does it once more."""
    lines = [
        t(
            "sent_again_queued" if each["is_queued"] else "sent_again_refused",
            at=forms().moment(at(each["at"]), page.zone), by=who(each["by"]), why=each["why"],
        )
        for each in letter["sent_again"]
    ]  # fmt: skip
    if lines:
        st.info("  \n".join(plain(line) for line in lines), icon=":material/forward_to_inbox:")


def show_sent(letter: Mapping[str, Any], page: OpenPage) -> None:
    """What was sent, letter for letter, and of its request what the API gives."""
    st.markdown(f"**{t('letter_sent')}**")
    text, is_json = readable(letter["payload"])
    if letter["is_base64"]:
        st.caption(t("letter_is_base64"))
    is_long = text.count("\n") > SENT_LINES or len(text) > SENT_CHARACTERS
    with st.container(height=SENT_HEIGHT if is_long else "content", border=False):
        st.code(text, language="json" if is_json else None, wrap_lines=True)
    said = {name: letter[name] for name in REQUEST if letter[name]}
    if "sent_at" in said:
        said["sent_at"] = forms().moment(at(letter["sent_at"]), page.zone, seconds=True)
    if said:
        with st.expander(t("letter_request"), icon=":material/language:"):
            heads = {name: t(f"letter_{name}") for name in said}
            st.markdown("  \n".join(f"{heads[name]}: {plain(value)}" for name, value in said.items()))


def show_correction(letter: Mapping[str, Any]) -> None:
    """Send it again as it is, or as edited. What was sent stays as typed, also when the API did not answer."""
    letter_id = letter["dead_letter_id"]
    draft, path = DRAFT + letter_id, part_of_path(letter_id)
    with st.form(f"letter {letter_id}", border=False, enter_to_submit=False):
        text = st.text_area(
            t("correction"), value=st.session_state.get(draft, editable(letter)), height=EDITOR_HEIGHT,
            key=f"code of letter {letter_id}", help=t("about_correction"),
        )  # fmt: skip
        reason = reason_field(f"letter_reason {letter_id}")
        with st.container(horizontal=True):
            wants_corrected = st.form_submit_button(t("send_corrected"), icon=":material/edit:", type="primary")
            wants_same = st.form_submit_button(t("send_same"), icon=":material/send:")
    if wants_same:
        replay([letter_id], reason)
    if wants_corrected:
        st.session_state[draft] = text
        try:
            event = event_of(text)
        except NotAnEvent as error:
            st.error(plain(t(error.key, **error.values)), icon=":material/data_object:")
            return
        body = {"event": event, "reason": reason}
        show_verdicts(control().post(f"/dead-letters/{path}/corrections", body).body["items"])


def show_several(letters: Sequence[str]) -> None:
    """The form that sends all chosen letters again as they are."""
    count = forms().number(len(letters))
    st.subheader(t("letters_chosen", count=count))
    st.caption(t("letters_chosen_caption"))
    with st.form(f"letters {sha256(' '.join(letters).encode()).hexdigest()}", border=False):
        reason = reason_field("letters_reason")
        wanted = st.form_submit_button(t("send_several", count=count), icon=":material/send:", type="primary")
    if wanted:
        replay(letters, reason)


def replay(letters: Sequence[str], reason: str) -> None:
    """Send letters again as they were, and show what became of them."""
    body = {"dead_letter_ids": list(letters), "reason": reason}
    show_verdicts(control().post("/dead-letters/replays", body).body["items"])


def show_verdicts(verdicts: Sequence[Mapping[str, Any]]) -> None:
    """What the collector said of each event: how many are queued, and why the others are not."""
    refused = [each for each in verdicts if not each["is_queued"]]
    queued = len(verdicts) - len(refused)
    counts = {"queued": forms().number(queued), "refused": forms().number(len(refused))}
    if queued:
        st.success(t("events_queued", **counts), icon=":material/check_circle:")
    if refused:
        st.error(t("events_refused", **counts), icon=":material/block:")
    if len(verdicts) == 1 and refused:
        st.code(f"{refused[0]['reason']}: {refused[0]['detail']}", language=None, wrap_lines=True)
    elif refused:
        show_each(verdicts)


def show_each(verdicts: Sequence[Mapping[str, Any]]) -> None:
    """The events of several letters, the refused ones first."""
    frame = pd.DataFrame([
        {
            "verdict": t("verdict_queued") if each["is_queued"] else t("verdict_refused"),
            "reason": each["reason"],
            "detail": each["detail"],
            "dead_letter_id": each["dead_letter_id"],
        }
        for each in sorted(verdicts, key=lambda each: bool(each["is_queued"]))
    ])  # fmt: skip
    heads = {"verdict": t("verdict"), "reason": t("reason"), "detail": t("detail"), "dead_letter_id": t("dead_letter")}
    table(frame, column_config=heads)


def main() -> None:
    """The page."""
    page = opened("dead_letters", has_period=False)
    st.caption(t("dead_letters_caption"))
    show_filter(page)
    with attempt(), part("dead_letters"):
        show_list(page)
    with attempt():
        letters = chosen(page)
        if len(letters) == 1:
            show_letter(page, letters[0])
        elif letters and can("dead_letters.replay"):
            show_several(letters)


main()

"""What do the rules say, what would a change do, and who changed them when?"""

import streamlit as st

from dashboards.acting import at, attempt, can, control, done, reason_field, show_outcome, who
from dashboards.control import ApiAnswer
from dashboards.listings.rules import RULES, VERSIONS, rules_of
from dashboards.page import OpenPage, opened, plain
from dashboards.rules_editor import difference, show_editor
from dashboards.tables import show
from dashboards.texts import forms, t

PART = "part"
PARTS = ("rules_in_force", "rules_edit", "rules_history")


def chosen_part(page: OpenPage) -> str:
    """The part of the page that the address says."""
    said = f"rules_{page.asked.first(PART)}"
    st.session_state["rules_part"] = said if said in PARTS else PARTS[0]

    def choose() -> None:
        for key in ("version", "task"):
            st.query_params.pop(key, None)
        st.query_params[PART] = (st.session_state["rules_part"] or PARTS[0]).removeprefix("rules_")

    st.segmented_control(
        t("rules_view"), PARTS, format_func=t, key="rules_part", on_change=choose, label_visibility="collapsed"
    )
    return str(st.session_state["rules_part"] or PARTS[0])


def show_version_line(page: OpenPage, present: ApiAnswer) -> None:
    """Which version is in force, who made it, when and why."""
    rules = present.body
    number = forms().number(len(rules["rules"]))
    if rules["created_at"] is None:
        st.caption(t("rules_default_line", rules=number))
        return
    made_at = forms().moment(at(rules["created_at"]), page.zone)
    st.caption(plain(t("rules_version_line", version=rules["version"], rules=number, author=who(rules["author"]),
                       at=made_at, reason=rules["reason"])))  # fmt: skip


def show_in_force(page: OpenPage, present: ApiAnswer) -> None:
    """The rules as a table, and their text."""
    show(RULES, page.asked, rules_of(present.body), t("rules"))
    with st.expander(t("rules_text"), icon=":material/code:"):
        st.code(present.body["source"], language="yaml", wrap_lines=True)


def show_history(page: OpenPage, present: ApiAnswer) -> None:
    """The versions; a chosen one with its text, its difference to the rules in force, and the way back to it."""
    rows = VERSIONS.rows(page.asked)
    selected = show(
        VERSIONS, page.asked, rows, t("rules_history"), on_select="rerun", selection_mode="single-row",
        key=f"versions {present.version}",
    )  # fmt: skip
    if selected.selection.rows:
        st.query_params["version"] = str(rows["version"].iloc[selected.selection.rows[0]])
    wanted = page.asked.first("version") if not selected.selection.rows else st.query_params["version"]
    if not wanted.isdecimal() or wanted == present.version:
        return
    earlier = control().get("/rules", version=wanted).body
    st.subheader(t("rules_difference", version=present.version))
    st.code(difference(present.body["source"], earlier["source"], present.version, wanted), language="diff")
    if can("rules.apply"):
        show_way_back(present, wanted)


def show_way_back(present: ApiAnswer, wanted: str) -> None:
    """The form that puts an earlier version in force again, as a new one."""
    with st.form("revert", border=False):
        reason = reason_field("revert_reason")
        if st.form_submit_button(t("rules_revert", version=wanted), icon=":material/undo:"):
            body = {"version": int(wanted), "reason": reason}
            made = control().post("/rules/reversions", body, version=present.version)
            done("rules_applied", version=made.version)


def main() -> None:
    """The page."""
    page = opened("rules", has_period=False)
    show_outcome()
    with attempt():
        present = control().get("/rules")
        show_version_line(page, present)
        part = chosen_part(page)
        if part == "rules_in_force":
            show_in_force(page, present)
        elif part == "rules_edit":
            show_editor(page, present)
        else:
            show_history(page, present)


main()

"""What can be done with one lead: deliver it again, merge it, split it, take a decision back, export it, erase it."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboards.acting import at, attempt, can, control, done, reason_field, show_outcome, who
from dashboards.control import part_of_path
from dashboards.page import OpenPage, part, plain
from dashboards.personal_data import may_erase, show_erasure, show_export
from dashboards.resending import show_resync
from dashboards.texts import forms, t

# Reads one row, by the key.
VISITORS = """
select arrayJoin(arraySort(tracking_ids)) as tracking_id from marts.leads
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
limit 1000
"""


def show_actions(page: OpenPage, lead_id: str) -> None:
    """The actions that the role allows, each behind its button; decisions are shown to everyone."""
    show_outcome()
    if can("leads.decide"):
        with st.container(horizontal=True):
            with st.popover(t("resync"), icon=":material/send:"), attempt():
                show_resync({"lead_ids": [lead_id], "force": True}, lead_id)
            with st.popover(t("merge_lead"), icon=":material/merge:"), attempt():
                show_merge(lead_id)
            with st.popover(t("split_lead"), icon=":material/call_split:"), attempt(), part("lead_actions"):
                show_split(page, lead_id)
            if may_erase():
                with st.popover(t("export_person"), icon=":material/folder_zip:"), attempt():
                    show_export(page, lead_id)
                with st.popover(t("erase"), icon=":material/delete_forever:"), attempt():
                    show_erasure(page, lead_id)
    with attempt():
        show_decisions(page, lead_id)


def show_merge(lead_id: str) -> None:
    """The lead and another are one person."""
    st.caption(t("merge_caption"))
    with st.form("merge", border=False):
        other = st.text_input(t("other_lead"), key="merge_other").strip()
        reason = reason_field("merge_reason")
        if st.form_submit_button(t("merge_lead"), type="primary"):
            body = {"lead_id": lead_id, "other_lead_id": other, "reason": reason}
            control().post("/lead-decisions/merges", body)
            done("lead_decided")


def show_split(page: OpenPage, lead_id: str) -> None:
    """Some devices of the lead are another person."""
    own = list(page.asked.query(VISITORS, page.tenant_id, lead_id=lead_id)["tracking_id"])
    if len(own) < 2:
        st.caption(t("split_one_device"))
        return
    st.caption(t("split_caption"))
    with st.form("split", border=False):
        chosen = st.multiselect(t("split_visitors"), own, key="split_visitors")
        reason = reason_field("split_reason")
        if st.form_submit_button(t("split_lead"), type="primary"):
            body = {"lead_id": lead_id, "tracking_ids": chosen, "reason": reason}
            control().post("/lead-decisions/splits", body)
            done("lead_decided")


def show_decisions(page: OpenPage, lead_id: str) -> None:
    """The decisions about the lead, with the way to take one back; nothing where there are none."""
    decisions = control().lines("/lead-decisions", most=50, lead_id=lead_id)
    if not decisions:
        return
    st.markdown(f"**{t('decisions')}**")
    for each in decisions:
        show_decision(page, each, lead_id)


def show_decision(page: OpenPage, decision: Mapping[str, Any], lead_id: str) -> None:
    """What was decided, by whom, when and why."""
    if decision["kind"] == "merge":
        ids = (decision["lead_id"], decision["other_lead_id"])
        what = t("decision_merge", other=next((each for each in ids if each != lead_id), lead_id))
    else:
        what = t("decision_split", number=len(decision["tracking_ids"]))
    when = forms().moment(at(decision["decided_at"]), page.zone)
    end = f" ({t('decision_reverted')})" if decision["is_reverted"] else ""
    st.markdown(plain(f"{when} · {who(decision['decided_by'])} · {what}{end} · {decision['reason']}"))
    if decision["is_reverted"] or not can("leads.decide"):
        return
    decision_id = decision["decision_id"]
    with st.popover(t("decision_back"), icon=":material/undo:", key=f"back {decision_id}"), attempt():
        with st.form(f"take back {decision_id}", border=False):
            reason = reason_field(f"reason {decision_id}")
            wants = st.form_submit_button(t("decision_back"))
        if wants:
            control().post(f"/lead-decisions/{part_of_path(decision_id)}/reversion", {"reason": reason})
            done("lead_decided")

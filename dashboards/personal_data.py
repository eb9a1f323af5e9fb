"""What a person may ask of those who hold their data: all of it as a file, and its erasure."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards.access import go_to
from dashboards.acting import can, control, done, reason_field, show_task
from dashboards.page import OpenPage, plain
from dashboards.texts import forms, t

EXPORT, HELD = "export", "held"
"""Parameters of the address: the tasks of the export and of the trial of an erasure."""


def show_export(page: OpenPage, lead_id: str) -> None:
    """All that is held of the lead as a JSON file: a task, then its download."""
    st.caption(t("export_caption"))
    if st.button(t("export_make"), icon=":material/folder_zip:"):
        st.query_params[EXPORT] = control().post("/lead-exports", {"lead_id": lead_id}).body["task_id"]
        st.rerun()
    task = page.asked.first(EXPORT)
    if task:
        address = urlencode({"tenant_id": page.tenant_id, "task": task})
        show_task(task, page.zone, lambda _: go_to(t("export_save"), f"/export/lead.json?{address}"))


def show_erasure(page: OpenPage, lead_id: str) -> None:
    """What is held of the lead, by store, and the way to erase it, which cannot be taken back."""
    st.caption(t("erase_caption"))
    if st.button(t("erase_see"), icon=":material/preview:"):
        st.query_params[HELD] = control().post("/erasures/trials", {"lead_id": lead_id}).body["task_id"]
        st.rerun()
    if page.asked.first(HELD):
        show_task(page.asked.first(HELD), page.zone, _show_held)
    with st.form("erase", border=False):
        with_others = st.checkbox(t("erase_others"), key=f"erase_others {lead_id}")
        is_sure = st.checkbox(t("erase_sure"), key=f"erase_sure {lead_id}")
        reason = reason_field(f"erase_reason {lead_id}")
        wants = st.form_submit_button(t("erase"), icon=":material/delete_forever:", type="primary")
    if wants and not is_sure:
        st.warning(t("erase_not_sure"), icon=":material/warning:")
    elif wants:
        control().post("/erasures", {"lead_id": lead_id, "reason": reason, "with_others": with_others})
        done("erase_asked")
    _show_erasures()


def _show_held(report: Mapping[str, Any]) -> None:
    """Rows by store, others at the same devices, and the records that stay in other products."""
    counts = {store: forms().number(sum(report[store].values())) for store in ("warehouse", "postgresql", "lake")}
    st.markdown(t("erase_held", **counts))
    if report["others_at_these_visitors"]:
        st.warning(
            t("erase_shared", leads=plain(", ".join(report["others_at_these_visitors"]))), icon=":material/group:"
        )
    for each in report.get("withdrawals", ()):  # a task of an earlier version has none
        names = plain(", ".join([*each.get("attributes", ()), *each.get("labels", ())])) or "—"
        what = "erase_withdraws" if each["is_possible"] else "erase_keeps"
        st.markdown(t(what, destination=plain(each["destination"]), names=names))
    for record in report["remote_records"]:
        st.markdown(plain(f"{record['destination']}: {record['remote_kind']} {record['remote_id']}"))


def _show_erasures() -> None:
    """The newest erasures of the tenant, and how far each is; nothing where there are none."""
    rows = control().get("/erasures?limit=5").body["items"]
    for row in rows:
        # Of each destination its own line says the same.
        message = "" if row["step"] == "destinations" else plain(row["message"])
        st.markdown(
            t(f"erasure_{row['state']}", reason=plain(row["reason"]), lead=row["lead_hash"][:12],
              rows=forms().number(sum(row["counts"].values())), message=message)
        )  # fmt: skip
        for each in row["withdrawals"]:
            said = t(f"withdrawal_{each['state'].replace(' ', '_')}", destination=plain(each["destination"]))
            st.markdown(f"- {said} {plain(each['message'])}".rstrip())
        if row["step"] == "destinations" and row["state"] != "done":
            _show_giving_up(row)


def _show_giving_up(erasure: Mapping[str, Any]) -> None:
    """The way to wait no longer for a destination."""
    name = erasure["erasure_id"]
    waiting = [each["destination"] for each in erasure["withdrawals"] if each["state"] == "waiting"]
    with st.form(f"give up {name}", border=False):
        destination = st.selectbox(t("give_up_destination"), waiting, key=f"give up of {name}")
        reason = reason_field(f"give up reason {name}")
        wants = st.form_submit_button(t("give_up"), icon=":material/block:")
    if wants:
        control().post(f"/erasures/{name}/given-up", {"destination": destination, "reason": reason})
        done("give_up_done")


def may_erase() -> bool:
    """Whether the role may export and erase a person."""
    return can("leads.erase") and can("leads.export")

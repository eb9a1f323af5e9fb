"""The mapping of a destination: edited, read by its product and tried on a lead, and stored as it was tried.

The draft is kept while the session lasts; the trial is a task of the server, whose id is in the address.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from dashboards.acting import can, control, show_task, tenant_key
from dashboards.control import ApiAnswer, part_of_path
from dashboards.navigation import link
from dashboards.page import OpenPage, plain
from dashboards.saving import edit_base, save
from dashboards.tables import findings_table, table
from dashboards.texts import t
from echolead.leads.search import BY_IDENTIFIER
from echolead.operational.destination_kinds import KINDS
from echolead.operational.destinations import MAPPING, MAPPING_CHARACTERS

TASK, TRIED = "mapping_task", "mapping_tried"
"""Parameters of the address: the task of a trial, and the digest of the text that it tried."""


@dataclass
class MappingDraft:
    """The text that is edited, and the stored one from which it was made."""

    stored: str
    text: str

    @property
    def digest(self) -> str:
        """What a trial is recognised by."""
        return hashlib.sha256(self.text.strip().encode()).hexdigest()[:16]


def show_mapping(page: OpenPage, found: ApiAnswer) -> None:
    """The mapping; an editor for those who may change it."""
    destination = found.body
    st.subheader(t("mapping"))
    stored: str = destination["configuration"].get(MAPPING) or ""
    has_mapping = destination["kind"] in KINDS and KINDS[destination["kind"]].has_mapping
    if not has_mapping:
        st.caption(t("mapping_none"))
    elif can("destinations.change"):
        show_editor(page, found, _draft(page.tenant_id, destination["name"], stored))
    elif stored:
        st.code(stored, language="yaml", wrap_lines=True)
    else:
        st.caption(t("mapping_default"))


def _draft(tenant_id: str, name: str, stored: str) -> MappingDraft:
    """The draft of this session; one without a change follows what is stored."""
    key = f"mapping draft of {tenant_id} {name}"
    draft: MappingDraft | None = st.session_state.get(key)
    if draft is None or (draft.text == draft.stored != stored):
        draft = st.session_state[key] = MappingDraft(stored, stored)
    return draft


def show_editor(page: OpenPage, found: ApiAnswer, draft: MappingDraft) -> None:
    """The text, the lead to try it on, what the trial found, and the way to store it."""
    name = found.body["name"]
    base = edit_base(name, found.version)
    st.caption(t("mapping_caption"))
    _edit(name, draft)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        lead = st.text_input(
            t("mapping_lead"), key=tenant_key(f"mapping lead {name}"), placeholder=t("mapping_newest")
        ).strip()
        wants = st.button(t("mapping_try"), icon=":material/preview:")
    if wants:
        _ask(page, name, draft, lead)
    task_id = page.asked.first(TASK)
    if not task_id:
        return
    is_of_draft = page.asked.first(TRIED) == draft.digest
    if not is_of_draft:
        st.warning(t("mapping_other_text"), icon=":material/difference:")

    def send() -> ApiAnswer:
        made = control().put(f"/destinations/{part_of_path(name)}/mapping", {"task_id": task_id}, version=base.version)
        draft.stored = draft.text
        del st.query_params[TASK], st.query_params[TRIED]
        return made

    def show_result(result: Mapping[str, Any] | None) -> None:
        if result is None:
            st.info(t("mapping_forgotten"), icon=":material/history:")
            return
        show_found(result)
        is_storable = result["is_valid"] and is_of_draft
        if is_storable and st.button(t("mapping_save"), icon=":material/save:", type="primary"):
            save(page, base, send, "mapping_saved")

    show_task(task_id, page.zone, show_result)


def _edit(name: str, draft: MappingDraft) -> None:
    key = f"code mapping {name}"
    st.session_state[key] = draft.text

    def keep() -> None:
        draft.text = st.session_state[key]

    st.text_area(t("mapping_text"), key=key, height=320, max_chars=MAPPING_CHARACTERS, on_change=keep)

    def give_up() -> None:
        draft.text = draft.stored

    if draft.text != draft.stored:
        st.button(t("mapping_discard"), icon=":material/undo:", type="tertiary", on_click=give_up)


def _ask(page: OpenPage, name: str, draft: MappingDraft, lead: str) -> None:
    """Let the product read the draft, as a task, on the lead of this id or e-mail."""
    lead_id = _lead_of(page, lead) if "@" in lead else lead
    if lead and not lead_id:
        st.error(plain(t("mapping_lead_unknown", lead=lead)), icon=":material/error:")
        return
    body = {"mapping": draft.text, "lead_id": lead_id or None}
    task = control().post(f"/destinations/{part_of_path(name)}/mappings", body).body
    st.query_params[TASK], st.query_params[TRIED] = task["task_id"], draft.digest
    st.rerun()


def _lead_of(page: OpenPage, email: str) -> str:
    """The lead with the e-mail, '' for none. Reads the tenant's identifiers by value."""
    found = page.asked.query(BY_IDENTIFIER, page.tenant_id, values=[email.lower()])["lead_id"].tolist()
    return str(found[0]) if found else ""


def show_found(result: Mapping[str, Any]) -> None:
    """Mistakes with their lines, else what would be written of the lead, beside what is written now."""
    findings = result["findings"]
    if not result["is_valid"]:
        st.error(t("mapping_invalid"), icon=":material/error:")
        st.code("\n".join(each["detail"] for each in findings), language=None, wrap_lines=True)
    else:
        if findings:
            st.warning(t("mapping_valid_with_notes"), icon=":material/rate_review:")
            findings_table(findings)
        else:
            st.success(t("mapping_valid"), icon=":material/check_circle:")
        if result["lead_id"]:
            show_fields(result["lead_id"], result["fields"])
    if result["default"]:
        with st.expander(t("mapping_products"), icon=":material/description:"):
            st.code(result["default"], language="yaml", wrap_lines=True)


def show_fields(lead_id: str, fields: list[dict[str, Any]]) -> None:
    """Each field that is written of the lead, those that change first."""
    link("leads", plain(t("mapping_of_lead", lead=lead_id[-8:])), {"lead_id": [lead_id]}, icon="person")
    rows = sorted(fields, key=lambda each: each["before"] == each["after"])
    shown = [
        {
            "change": t("yes" if each["before"] != each["after"] else "no"),
            "field": f"{each['record']} {each['field']}",
            "before": each["before"] or "",
            "after": each["after"] or "",
        }
        for each in rows
    ]
    heads = {
        "change": t("mapping_changes"),
        "field": t("field"),
        "before": t("value_before"),
        "after": t("value_after"),
    }
    table(pd.DataFrame(shown, columns=list(heads)), column_config=heads)

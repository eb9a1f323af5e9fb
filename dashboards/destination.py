"""One destination: how it stands, its errors, its account, its settings and its secrets."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboards.acting import at, can, control, done, show_task, who
from dashboards.control import ApiAnswer, part_of_path
from dashboards.destination_form import (
    changed,
    lacking,
    secret_fields,
    settings_fields,
    settings_keys,
    settings_values,
    show_problems,
)
from dashboards.listings.destinations import ERRORS, state_of
from dashboards.mapping_editor import show_mapping
from dashboards.page import OpenPage, part, plain
from dashboards.resending import show_resync
from dashboards.saving import EditBase, EditForm, begin, edit_base, save
from dashboards.tables import findings_table, show, table
from dashboards.texts import forms, t
from echolead.operational.destination_kinds import KINDS
from echolead.operational.destinations import MAPPING

TASK = "task"


def show_destination(page: OpenPage, found: ApiAnswer) -> None:
    """All of it; what the role may not do is left out."""
    name = found.body["name"]
    st.header(plain(f"{name} ({found.body['kind']})"))
    show_state(page, found.body)
    show_quota(page, found.body["quota"])
    show_account(page, name)
    st.subheader(t("errors_by_class"))
    with part("errors_by_class"):
        show_errors(page, name)
    show_settings(page, found)
    show_secrets(page, found)
    show_mapping(page, found)


def show_state(page: OpenPage, destination: Mapping[str, Any]) -> None:
    """On, paused or switched off and why, with the way to pause and resume."""
    state, name = state_of(dict(destination)), destination["name"]
    with st.container(horizontal=True, vertical_alignment="center"):
        if state == "on":
            st.success(t("destination_is_on"), icon=":material/play_circle:")
        elif state == "paused":
            st.info(t("destination_is_paused"), icon=":material/pause_circle:")
        else:
            switched_at = forms().moment(at(destination["disabled_at"]), page.zone)
            reason = destination["disabled_reason"]
            st.error(plain(t("destination_switched_off", at=switched_at, reason=reason)), icon=":material/power_off:")
        if not can("destinations.pause"):
            return
        path = f"/destinations/{part_of_path(name)}"
        if state == "on" and st.button(t("pause"), icon=":material/pause:"):
            control().post(f"{path}/pause")
            done("paused_now", name=name)
        if state != "on" and st.button(t("resume"), icon=":material/play_arrow:", type="primary"):
            control().post(f"{path}/resume")
            done("resumed_now", name=name)


def show_quota(page: OpenPage, quota: Mapping[str, Any] | None) -> None:
    """What the product said last of its day's calls, where it has a daily quota."""
    if quota is None:
        return
    spoken, now = forms(), datetime.now(UTC)
    said_at = at(quota["said_at"]) or now
    st.text(
        t(
            "quota_left",
            left=spoken.number(quota["calls_left"]),
            limit=spoken.number(quota["calls_limit"]),
            until=spoken.moment(at(quota["resets_at"]), page.zone),
            ago=spoken.duration((now - said_at).total_seconds()),
        )
    )


def show_account(page: OpenPage, name: str) -> None:
    """The test and the set-up of the account, and what the last of them found."""
    path = f"/destinations/{part_of_path(name)}"
    asked: tuple[str, Any] | None = None
    with st.container(horizontal=True):
        if can("destinations.test") and st.button(
            t("test_connection"), icon=":material/network_check:", help=t("test_caption")
        ):
            asked = (f"{path}/tests", None)
        if can("destinations.set_up"):
            if st.button(t("see_set_up"), icon=":material/preview:", help=t("set_up_caption")):
                asked = (f"{path}/set-ups", {"dry_run": True})
            is_seen = page.asked.first("set_up") == "seen"
            if is_seen and st.button(t("set_up_now"), icon=":material/construction:", type="primary"):
                asked = (f"{path}/set-ups", {"dry_run": False})
    if asked is not None:
        st.query_params[TASK] = control().post(*asked).body["task_id"]
        is_dry = asked[1] is not None and asked[1]["dry_run"]
        st.query_params["set_up"] = "seen" if is_dry else "no"
        st.rerun()
    if page.asked.first(TASK):
        show_task(page.asked.first(TASK), page.zone, show_findings)


def show_findings(result: Mapping[str, Any]) -> None:
    """What a test or set-up found in the account."""
    findings = result["findings"]
    if not findings:
        st.success(t("no_findings"), icon=":material/check_circle:")
        return
    findings_table(findings)


def show_errors(page: OpenPage, name: str) -> None:
    """The errors by class; a chosen one is corrected and delivered again."""
    rows = ERRORS.rows(page.asked)
    if rows.empty:
        st.success(t("no_errors"), icon=":material/check_circle:")
        return
    selected = show(
        ERRORS, page.asked, rows, t("errors_by_class"), on_select="rerun", selection_mode="single-row",
        key=f"errors of {name}",
    )  # fmt: skip
    if not can("deliveries.try"):
        return
    st.markdown(f"**{t('fix_and_resend')}**")
    st.caption(t("fix_and_resend_caption"))
    chosen = rows["error_class"].iloc[selected.selection.rows[0]] if selected.selection.rows else None
    if chosen:
        st.caption(plain(f"{t('error_class')}: {chosen}"))
    show_resync({"destination": name, "error_class": chosen}, f"{name} {chosen or ''}")


def show_settings(page: OpenPage, found: ApiAnswer) -> None:
    """The settings: a form for those who may change them, else a table."""
    destination = found.body
    name, kind = destination["name"], destination["kind"]
    own = _own(destination)
    st.subheader(t("settings_of_destination"))
    if not can("destinations.change") or kind not in KINDS:
        table(pd.DataFrame([(key, str(value)) for key, value in own.items()], columns=[t("field"), t("value")]))
        return
    base = edit_base(name, found.version, _form_of(destination))
    with st.form(f"settings of {name}"):
        typed = settings_fields(kind, base.form.keys)
        wants = st.form_submit_button(t("save"), icon=":material/save:")
    if wants:
        values, problems = changed(kind, base.edits(typed), own)
        problems += lacking(KINDS[kind].configuration, {**own, **values})
        show_problems(problems)
        if not problems:
            save(page, base, lambda: _edited(base, {"configuration": values}), is_of_form=True)


def _own(destination: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that have fields of their own."""
    return {key: value for key, value in destination["configuration"].items() if key != MAPPING}


def _form_of(destination: Mapping[str, Any]) -> EditForm:
    """The form of the settings."""
    name, kind = destination["name"], destination["kind"]

    def stored() -> dict[str, Any]:
        return settings_values(kind, _own(control().get(f"/destinations/{part_of_path(name)}").body))

    return EditForm(settings_values(kind, _own(destination)), settings_keys(kind, f"settings {name}"), stored)


def _edited(base: EditBase, edit: Mapping[str, Any]) -> ApiAnswer:
    return control().patch(f"/destinations/{part_of_path(base.name)}", edit, version=base.version)


def show_secrets(page: OpenPage, found: ApiAnswer) -> None:
    """When each secret was set and by whom, and fields that replace them; no field holds a stored one."""
    destination = found.body
    st.subheader(t("secrets"))
    for name, secret in destination["secrets"].items():
        st.text(f"{name}: {_secret_text(secret, page.zone)}")
    if not can("destinations.change") or destination["kind"] not in KINDS:
        return
    with st.form(f"secrets of {destination['name']}", clear_on_submit=True):
        st.caption(t("secrets_caption"))
        given = secret_fields(destination["kind"], f"secret {destination['name']}")
        wants = st.form_submit_button(t("replace_secrets"), icon=":material/key:")
    if wants:
        problems = lacking(KINDS[destination["kind"]].secrets, given)
        show_problems(problems)
        if not problems:
            base = edit_base(destination["name"], found.version)
            save(page, base, lambda: _edited(base, {"secrets": given}), "secrets_replaced")


def _secret_text(secret: Mapping[str, Any], zone: str) -> str:
    if not secret["set_at"]:
        return t("secret_set_before", masked=secret["masked"])
    set_at = forms().moment(at(secret["set_at"]), zone)
    return t("secret_set", masked=secret["masked"], at=set_at, by=who(secret["set_by"] or ""))


def show_new_destination() -> None:
    """The form of a new destination."""
    with st.expander(t("add_destination"), icon=":material/add:"):
        kind = st.selectbox(t("destination_kind"), list(KINDS), key="new kind")
        with st.form("new destination", border=False):
            name = st.text_input(t("destination_name"), value=kind, key=f"new name {kind}").strip()
            keys = settings_keys(kind, f"new {kind}")
            begin(settings_values(kind, {}), keys)
            typed = settings_fields(kind, keys)
            given = secret_fields(kind, f"new secret {kind}")
            wants = st.form_submit_button(t("add_destination"), type="primary")
        if wants:
            values, problems = changed(kind, typed, {})
            problems += lacking(KINDS[kind].configuration, values) + lacking(KINDS[kind].secrets, given)
            show_problems(problems)
            if not problems:
                body = {"kind": kind, "name": name or kind, "configuration": values, "secrets": given}
                made = control().post("/destinations", body).body
                done("added_destination", name=made["name"])

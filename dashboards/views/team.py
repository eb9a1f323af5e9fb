"""Who may do what here, with which keys, hosts and settings?"""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboards.acting import attempt, can, control, done, show_outcome, tenant_key
from dashboards.control import MAX_LINES, part_of_path
from dashboards.listings.team import KEYS, USERS
from dashboards.page import OpenPage, empty, opened, plain
from dashboards.saving import EditForm, edit_base, list_seen, remove_line, save
from dashboards.tables import show, table
from dashboards.texts import named, t
from echolead.permissions import ROLES

SETTINGS = ("name", "timezone", "default_region", "currency", "ip_policy", "consent_default")
CHOICES = {"ip_policy": ["truncated", "whole", "hashed"], "consent_default": ["granted", "wait", "denied"]}
WORDS: dict[str, Callable[[str], str]] = {
    "ip_policy": lambda chosen: named("kept", chosen),
    "consent_default": lambda chosen: named("consent", chosen),
}
SHOWN_ONCE = "shown once"


def show_once() -> None:
    """A new password or key, in this run alone."""
    if SHOWN_ONCE in st.session_state:
        key, secret = st.session_state.pop(SHOWN_ONCE)
        st.warning(t(key), icon=":material/key:")
        st.code(secret, language=None)


def show_users(page: OpenPage) -> None:
    """Users with a role; another role, and an end of it."""
    st.subheader(t("users"))
    rows = USERS.rows(page.asked_for(MAX_LINES))
    chosen = show(USERS, page.asked, rows, t("users"), on_select="rerun", selection_mode="single-row", key="users")
    if not can("users.change"):
        return
    if chosen.selection.rows:
        show_user(page, str(rows["email"].iloc[chosen.selection.rows[0]]))
    else:
        st.caption(t("choose_user"))
    with st.expander(t("add_user"), icon=":material/person_add:"), st.form("add user", border=False):
        email = st.text_input(t("email"), key="new_email").strip()
        name = st.text_input(t("name"), key="new_name").strip()
        role = st.selectbox(t("role"), ROLES, format_func=lambda each: t(f"role_{each}"), key="new_role")
        if st.form_submit_button(t("add_user"), type="primary"):
            made = control().post("/users", {"email": email, "name": name, "role": role}).body
            if made["password"]:
                st.session_state[SHOWN_ONCE] = ("user_password", made["password"])
            done("user_added", email=made["email"], role=made["role"])


def show_user(page: OpenPage, email: str) -> None:
    """Another role for one user, or none, on the role that was seen."""
    one = f"/users/{part_of_path(email)}"
    found = control().get(one)
    keys = {"role": tenant_key(f"role of {email}")}
    form = EditForm({"role": found.body["role"]}, keys, lambda: {"role": control().get(one).body["role"]})
    base = edit_base(f"role of {email}", found.version, form)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        role = st.selectbox(
            f"{t('role')}: {email}", ROLES, format_func=lambda each: t(f"role_{each}"), key=keys["role"], width=360
        )
        changes = st.button(t("change_role"), icon=":material/badge:")
        removes = st.button(t("remove_user"), icon=":material/person_remove:")
    if changes:
        save(
            page, base, lambda: control().put(one, {"role": role}, version=base.version), "user_added",
            is_of_form=True, label=t, worded=named, email=email, role=role,
        )  # fmt: skip
    if removes:
        save(
            page, base, lambda: control().delete(one, version=base.version), "user_removed", label=t, worded=named,
            email=email,
        )  # fmt: skip


def show_keys(page: OpenPage) -> None:
    """The keys of the tenant's servers; a new one is shown once."""
    st.subheader(t("api_keys"))
    rows = KEYS.rows(page.asked)
    if rows.empty:
        empty("no_keys")
    else:
        chosen = show(KEYS, page.asked, rows, t("api_keys"), on_select="rerun", selection_mode="single-row", key="keys")
        if chosen.selection.rows and can("keys.change"):
            prefix = str(rows["key_prefix"].iloc[chosen.selection.rows[0]])
            if st.button(t("revoke_key", prefix=prefix), icon=":material/key_off:"):
                control().delete(f"/keys/{part_of_path(prefix)}")
                done("key_revoked", prefix=prefix)
    if can("keys.change"):
        with st.form("make key", border=False):
            name = st.text_input(t("key_holder"), key="key_holder", placeholder="site-backend").strip()
            if st.form_submit_button(t("make_key"), icon=":material/key:"):
                st.session_state[SHOWN_ONCE] = ("key_once", control().post("/keys", {"name": name}).body["key"])
                st.rerun()


def show_addresses(page: OpenPage) -> None:
    """Hosts and origins, each with its end, and fields for others."""
    st.subheader(t("addresses"))
    for column, kind, title in zip(st.columns(2), ("host", "origin"), (t("hosts"), t("origins")), strict=True):
        with column:
            st.markdown(f"**{title}**")
            found = control().get(f"/{kind}s")
            seen = list_seen(f"{kind}s", found.version)
            for line in found.body["items"]:
                show_address(page, kind, line[kind], seen)
            if can("addresses.change"):
                with st.form(f"add {kind}", border=False, clear_on_submit=True):
                    typed = st.text_input(t(f"add_{kind}"), key=f"new_{kind}").strip()
                    if st.form_submit_button(t(f"add_{kind}"), icon=":material/add:"):
                        made = control().post(f"/{kind}s", {kind: typed}).body
                        done("address_added", address=made[kind])


def show_address(page: OpenPage, kind: str, address: str, version: str) -> None:
    """One host or origin; it is removed from the list as it was seen."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(address)
        if not can("addresses.change"):
            return
        label = t("remove_address", address=plain(address))
        removes = st.button(label, icon=":material/close:", type="tertiary", key=f"remove {kind} {address}")
    if removes and kind == "host":
        one = f"/hosts/{part_of_path(address)}"
        remove_line(page, lambda: control().delete(one, version=version), "address_removed", address=address)
    elif removes:
        remove_line(
            page, lambda: control().delete("/origins", version=version, origin=address), "address_removed",
            address=address,
        )  # fmt: skip


def show_settings(page: OpenPage, tenant: Mapping[str, Any], version: str) -> None:
    """The settings, on the version that the form was opened with."""
    st.subheader(t("tenant_settings"))
    if not can("settings.change"):
        return
    keys = {name: tenant_key(f"setting {name}") for name in SETTINGS}
    form = EditForm(setting_values(tenant), keys, lambda: setting_values(control().get("").body))
    base = edit_base("settings of the client", version, form)
    with st.form("settings"):
        typed = {name: setting_field(name, key) for name, key in keys.items()}
        wants = st.form_submit_button(t("save"), icon=":material/save:")
    if wants:
        edit = base.edits(typed)
        save(
            page, base, lambda: control().patch("", edit, version=base.version), "settings_saved", is_of_form=True,
            label=lambda name: t(f"setting_{name}"), worded=lambda name, value: WORDS.get(name, str)(value),
        )  # fmt: skip


def setting_values(tenant: Mapping[str, Any]) -> dict[str, str]:
    """What the fields begin with, by name."""
    return {name: str(tenant[name]) for name in SETTINGS}


def setting_field(name: str, key: str) -> str:
    """One setting."""
    if name in CHOICES:
        return str(st.selectbox(t(f"setting_{name}"), CHOICES[name], format_func=WORDS[name], key=key))
    return st.text_input(t(f"setting_{name}"), key=key).strip()


def show_tenants() -> None:
    """All tenants, and a new one: for platform administrators."""
    st.subheader(t("all_tenants"))
    lines = control(installation=True).lines("/tenants")
    names = ("tenant_id", "name", "timezone", "currency", "is_active")
    heads = {name: t(f"setting_{name}") for name in ("name", "timezone", "currency")}
    rows = [{name: each[name] for name in names} for each in lines]
    table(
        pd.DataFrame(rows, columns=list(names)),
        column_config={**heads, "tenant_id": t("tenant_id"), "is_active": t("state")},
    )
    with st.expander(t("create_tenant"), icon=":material/domain_add:"), st.form("create tenant", border=False):
        tenant_id = st.text_input(t("tenant_id"), key="new_tenant_id").strip()
        name = st.text_input(t("setting_name"), key="new_tenant_name").strip()
        if st.form_submit_button(t("create_tenant"), type="primary"):
            control(installation=True).post("/tenants", {"tenant_id": tenant_id, "name": name})
            done("tenant_created", tenant=tenant_id)


def main() -> None:
    """The page."""
    page = opened("users_and_keys", has_period=False)
    show_outcome()
    show_once()
    with attempt():
        show_users(page)
    with attempt():
        if can("keys.read"):
            show_keys(page)
    with attempt():
        found = control().get("")
        show_addresses(page)
        show_settings(page, found.body, found.version)
    with attempt():
        if can("tenants.list"):
            show_tenants()


main()

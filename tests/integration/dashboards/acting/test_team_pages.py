"""The pages of users, keys and settings, and of the audit log."""

import json
from types import SimpleNamespace
from typing import Any

from dashboards import tables
from dashboards.audit_chain import verified
from dashboards.page import plain
from tests.integration.dashboards.acting.conftest import Pages, buttons, press, texts

USERS = "/v1/tenants/{t}/users"


def test_a_new_user_gets_a_role_and_a_password_that_is_shown_once(pages: Pages) -> None:
    tenant = pages.control.tenant()
    page = pages.open("team", tenant, "admin")
    assert not page.exception, page.exception
    email = f"bia@{tenant}.test"
    page.text_input(key="new_email").set_value(email)
    page.selectbox(key="new_role").select("analyst")
    press(page, "Add a user")
    assert "The account is new" in texts(page)
    assert {"email": email, "role": "analyst"}.items() <= next(
        each for each in pages.control.ask("admin", "GET", USERS, tenant).json()["items"] if each["email"] == email
    ).items()
    page.run()
    assert "The account is new" not in texts(page)


def test_a_key_is_shown_once(pages: Pages) -> None:
    tenant = pages.control.tenant()
    page = pages.open("team", tenant, "admin")
    page.text_input(key="key_holder").set_value("site-backend")
    press(page, "Make a key")
    assert "elk_" in texts(page)
    page.run()
    assert "elk_" not in texts(page)


def test_hosts_origins_and_settings_are_changed(pages: Pages) -> None:
    tenant = pages.control.tenant()
    page = pages.open("team", tenant, "admin")
    page.text_input(key="new_host").set_value(f"lp.{tenant}.example")
    press(page, "Add a host")
    page.text_input(key=f"setting name of {tenant}").set_value("Acme Ltda")
    press(page, "Save")
    found = pages.control.ask("viewer", "GET", "/v1/tenants/{t}", tenant).json()
    assert (found["hosts"], found["name"]) == ([f"lp.{tenant}.example"], "Acme Ltda")


def test_the_second_to_save_settings_sees_what_the_first_saved(pages: Pages) -> None:
    tenant = pages.control.tenant()
    page = pages.open("team", tenant, "admin")
    there = pages.control.ask("viewer", "GET", "/v1/tenants/{t}", tenant)
    pages.control.ask("admin", "PATCH", "/v1/tenants/{t}", tenant, {"currency": "EUR"}, if_match=there.headers["etag"])
    page.text_input(key=f"setting name of {tenant}").set_value("Acme Ltda")
    press(page, "Save")
    assert "another person saved first" in texts(page)
    differences = page.dataframe[-1].value.set_index("field")
    assert differences.loc["Currency", "theirs"] == "EUR"
    assert pages.control.ask("viewer", "GET", "/v1/tenants/{t}", tenant).json()["name"] != "Acme Ltda"
    press(page, "Keep my values, to save them again")
    press(page, "Save")
    found = pages.control.ask("viewer", "GET", "/v1/tenants/{t}", tenant).json()
    assert (found["name"], found["currency"]) == ("Acme Ltda", "EUR")


def test_the_second_to_change_a_role_sees_the_first_ones_and_may_keep_their_own(pages: Pages) -> None:
    tenant = pages.control.tenant()
    email = pages.control.user({tenant: "viewer"})

    def selected(_: object, __: object, rows: Any, *___: object, key: str = "", **____: object) -> SimpleNamespace:
        found = [place for place, each in enumerate(rows.get("email", ())) if each == email]
        return SimpleNamespace(selection=SimpleNamespace(rows=found if key == "users" else []))

    pages.patch.setattr(tables, "show", selected)  # AppTest cannot select the row of a table
    page = pages.open("team", tenant, "admin")
    seen = pages.control.ask("admin", "GET", f"{USERS}/{email}", tenant).headers["etag"]
    pages.control.ask("platform", "PUT", f"{USERS}/{email}", tenant, {"role": "operator"}, if_match=seen)
    page.selectbox(key=f"role of {email} of {tenant}").select("analyst")
    press(page, "Change the role")
    assert "another person saved first" in texts(page)
    [difference] = page.dataframe[-1].value.to_dict("records")
    assert [difference[each].partition(":")[0] for each in ("field", "yours", "theirs")] == [
        "Role", "analyst", "operator",
    ]  # fmt: skip
    assert "also changes rules" in difference["theirs"]
    assert pages.control.ask("admin", "GET", f"{USERS}/{email}", tenant).json()["role"] == "operator"
    press(page, "Keep my values, to save them again")
    press(page, "Change the role")
    assert pages.control.ask("admin", "GET", f"{USERS}/{email}", tenant).json()["role"] == "analyst"
    press(page, "Remove from this client")
    assert pages.control.ask("admin", "GET", f"{USERS}/{email}", tenant).status_code == 404


def test_a_host_is_removed_from_the_list_that_was_seen(pages: Pages) -> None:
    tenant = pages.control.tenant()
    hosts = [f"{part}.{tenant}.example" for part in ("a", "b")]
    pages.control.ask("admin", "POST", "/v1/tenants/{t}/hosts", tenant, {"host": hosts[0]})
    page = pages.open("team", tenant, "admin")
    pages.control.ask("platform", "POST", "/v1/tenants/{t}/hosts", tenant, {"host": hosts[1]})
    press(page, f"Remove {plain(hosts[0])}")
    assert "another person changed this list first" in texts(page)
    assert pages.control.ask("viewer", "GET", "/v1/tenants/{t}", tenant).json()["hosts"] == hosts
    press(page, f"Remove {plain(hosts[0])}")
    assert pages.control.ask("viewer", "GET", "/v1/tenants/{t}", tenant).json()["hosts"] == hosts[1:]


def test_the_choices_of_the_settings_are_words_of_the_language(pages: Pages) -> None:
    page = pages.open("team", pages.control.tenant(), "admin", "pt-BR")
    words = {each.label: each.options for each in page.selectbox}
    assert words["Endereços IP são guardados"] == ["sem a última parte", "inteiros", "como hash"]
    assert words["Consentimento antes da resposta"][0] == "concedido"


def test_tenants_are_a_platform_administrators(pages: Pages) -> None:
    tenant = pages.control.tenant()
    assert "Create a client" not in buttons(pages.open("team", tenant, "admin"))
    page = pages.open("team", tenant, "platform")
    page.text_input(key="new_tenant_id").set_value(f"{tenant}-b")
    press(page, "Create a client")
    assert f"{tenant}-b is created." in texts(page)


def test_the_audit_log_is_searched_by_the_address(pages: Pages) -> None:
    tenant = pages.control.tenant()
    for name in ("a", "b"):
        pages.control.ask("admin", "POST", "/v1/tenants/{t}/keys", tenant, {"name": name})
    pages.control.ask("admin", "POST", "/v1/tenants/{t}/hosts", tenant, {"host": f"x.{tenant}.example"})
    page = pages.open("audit", tenant, "admin")
    assert not page.exception, page.exception
    assert len(page.dataframe[0].value) >= 3
    [action] = {each for each in page.dataframe[0].value["action"] if "host" in each}
    found = pages.open("audit", tenant, "admin", action=action).dataframe[0].value
    assert found["action"].tolist() == [action]
    assert "No entry" in texts(pages.open("audit", tenant, "admin", actor="nobody"))


def test_the_chain_of_the_audit_log_is_verified_from_its_export(pages: Pages) -> None:
    tenant = pages.control.tenant()
    for name in ("a", "b", "c"):
        pages.control.ask("admin", "POST", "/v1/tenants/{t}/keys", tenant, {"name": name})
    page = press(pages.open("audit", tenant, "admin"), "Verify the chain")
    assert "The chain is whole" in texts(page)
    export = pages.control.ask("admin", "GET", "/v1/tenants/{t}/audit/export", tenant).text
    lines = export.splitlines()
    assert verified(export).problem == ""
    assert verified("\n".join(lines[1:])).problem
    changed = json.loads(lines[1])
    changed["line"] = changed["line"].replace('"a"', '"x"') + " "
    assert verified("\n".join([lines[0], json.dumps(changed), *lines[2:]])).problem.startswith("2")

"""Tenants, users, destinations, replays, tokens and the audit log through the control API."""

import hashlib
import json
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from echolead.operational.audit_chain import verify_chain
from echolead.operational.database import system_session
from echolead.operational.models import ApiKey, ControlTask, Destination
from echolead.operational.user_tokens import create_token, revoke_token
from echolead.operational.users import get_user, set_user_active
from echolead.security import Vault
from tests.fixtures.control_api import ControlApi
from tests.fixtures.operational import SECRET_KEY

TENANT = "/v1/tenants/{t}"
SECRET = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
OTHER_SECRET = "whsec_b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXI="


def edited(control: ControlApi, path: str, tenant: str, body: Any, etag: str | None, role: str = "admin") -> Any:
    """The answer to an edit."""
    return control.ask(role, "PATCH", path, tenant, body, if_match=etag)


def actions(control: ControlApi, tenant: str) -> list[dict[str, Any]]:
    """The audit log of the tenant, oldest first."""
    lines: list[dict[str, Any]] = control.ask("admin", "GET", f"{TENANT}/audit?limit=200", tenant).json()["items"]
    return lines[::-1]


def test_two_editors_of_a_tenant_do_not_overwrite_each_other(control: ControlApi) -> None:
    tenant = control.tenant()
    etag = control.ask("viewer", "GET", TENANT, tenant).headers["etag"]
    assert edited(control, TENANT, tenant, {"currency": "EUR"}, None).status_code == 428
    first = edited(control, TENANT, tenant, {"currency": "EUR"}, etag)
    assert (first.status_code, first.json()["currency"]) == (200, "EUR")
    second = edited(control, TENANT, tenant, {"currency": "USD", "timezone": "America/Manaus"}, etag)
    told = second.json()
    assert second.status_code == 409
    assert told["changed_by"].startswith("user:")
    assert told["differences"] == [
        {"field": "timezone", "yours": "America/Manaus", "theirs": "America/Sao_Paulo"},
        {"field": "currency", "yours": "USD", "theirs": "EUR"},
    ]
    same = edited(control, TENANT, tenant, {"currency": "EUR"}, first.headers["etag"])
    assert (same.status_code, same.headers["etag"]) == (200, first.headers["etag"])
    changed = [line for line in actions(control, tenant) if line["action"] == "tenant.changed"]
    assert [line["detail"]["changes"] for line in changed] == [{"currency": {"from": "BRL", "to": "EUR"}}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"events_per_minute": "1.000"}, "events_per_minute"),
        ({"events_per_minute": "1,5"}, "events_per_minute"),
        ({"colour": "red"}, "colour"),
        ({"timezone": "Sao Paulo"}, "time zone"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_and_its_field_is_named(
    control: ControlApi, body: dict[str, Any], field: str
) -> None:
    tenant = control.tenant()
    refused = edited(control, TENANT, tenant, body, '"x"')
    assert (refused.status_code, field in refused.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    "moment", ["10/03/2026", "2026-03-10", "2026-03-10T12:00:00", "1773111600", 1773111600, "1.234,56"]
)
def test_a_moment_needs_its_offset(control: ControlApi, moment: Any) -> None:
    tenant = control.tenant()
    body = {"received_from": moment, "reason": "why"}
    refused = control.ask("operator", "POST", f"{TENANT}/replays", tenant, body)
    assert (refused.status_code, "received_from" in refused.json()["detail"]) == (422, True)


def test_hosts_origins_and_keys_are_added_and_removed_and_a_key_is_shown_once(control: ControlApi) -> None:
    tenant = control.tenant()
    host = f"{tenant}.example"
    assert control.ask("admin", "POST", f"{TENANT}/hosts", tenant, {"host": host.upper()}).json() == {"host": host}
    control.ask("admin", "POST", f"{TENANT}/origins", tenant, {"origin": "https://lp.example/"})
    shown = control.ask("viewer", "GET", TENANT, tenant).json()
    assert (shown["hosts"], shown["origins"]) == ([host], ["https://lp.example"])
    paths = {f"{TENANT}/hosts": f"/{host}", f"{TENANT}/origins": "?origin=https://lp.example"}
    for path, one in paths.items():
        etag = control.ask("viewer", "GET", path, tenant).headers["etag"]
        removed = control.ask("admin", "DELETE", f"{path}{one}", tenant, if_match=etag)
        assert removed.status_code == 204, removed.text
        again = control.ask("admin", "DELETE", f"{path}{one}", tenant, if_match=removed.headers["etag"])
        assert (again.status_code, control.ask("viewer", "GET", path, tenant).json()["items"]) == (404, [])
    key = uuid4().hex
    made = control.ask("admin", "POST", f"{TENANT}/keys", tenant, {"name": "backend"}, idempotency_key=key)
    again = control.ask("admin", "POST", f"{TENANT}/keys", tenant, {"name": "backend"}, idempotency_key=key)
    assert made.json() == again.json()  # who lost the first answer still gets the key
    assert made.json()["key"].startswith("elk_")
    with system_session(control.system) as session:
        assert len(session.scalars(select(ApiKey).filter_by(tenant_id=tenant)).all()) == 1
        stored = session.scalar(text("select string_agg(convert_from(answer, 'UTF8'), '') from answered_requests"))
        assert made.json()["key"] not in stored
    assert "key" not in control.ask("admin", "GET", f"{TENANT}/keys", tenant).json()["items"][0]
    assert control.ask("admin", "POST", f"{TENANT}/keys", tenant, {"name": "backend"}).status_code == 409
    revoked = control.ask("admin", "DELETE", f"{TENANT}/keys/{made.json()['key_prefix']}", tenant)
    assert revoked.json()["revoked_at"]


def test_a_secret_is_replaced_and_never_read(control: ControlApi) -> None:
    tenant = control.tenant()
    url = f"{TENANT}/destinations"
    body = {
        "kind": "webhook", "configuration": {"url": "https://hooks.example.com/a"}, "secrets": {"secret": SECRET}
    }  # fmt: skip
    made = control.ask("admin", "POST", url, tenant, body)
    assert made.status_code == 201, made.text
    mask = made.json()["secrets"]["secret"]
    assert (mask["masked"], mask["set_by"].startswith("user:"), mask["set_at"][-1]) == ("••••", True, "Z")
    one = f"{url}/webhook"
    # An edit of another value keeps it, and who edits needs no secret.
    kept = edited(control, one, tenant, {"configuration": {"requests_per_second": 2}}, made.headers["etag"])
    assert (kept.status_code, kept.json()["secrets"]["secret"]) == (200, mask)
    replaced = edited(control, one, tenant, {"secrets": {"secret": OTHER_SECRET}}, kept.headers["etag"])
    assert replaced.json()["secrets"]["secret"]["set_at"] > mask["set_at"]
    with system_session(control.system) as session:
        row = session.scalars(select(Destination).filter_by(tenant_id=tenant)).one()
        assert Vault(SECRET_KEY).decrypt(row.secrets)["secret"] == OTHER_SECRET
        assert row.configuration["url"] == "https://hooks.example.com/a"
    wrong = edited(control, one, tenant, {"secrets": {"passcode": "hunter2-hunter2"}}, replaced.headers["etag"])
    assert (wrong.status_code, "passcode" in wrong.json()["detail"]) == (422, True)
    stale = edited(control, one, tenant, {"secrets": {"secret": SECRET}}, made.headers["etag"])
    assert stale.status_code == 409
    everything = "".join(
        control.ask(role, "GET", path, tenant).text
        for role in ("viewer", "admin")
        for path in (url, one, f"{TENANT}/audit", f"{TENANT}/audit/export", f"{TENANT}/tasks")
    )
    for secret in (SECRET, OTHER_SECRET, "hunter2"):
        assert secret not in everything + wrong.text + stale.text + replaced.text


def test_a_tenants_session_cannot_read_a_secret_at_all(control: ControlApi) -> None:
    tenant = control.tenant()
    for column in (
        "destinations.secrets",
        "tenants.secrets",
        "webhook_endpoints.secrets",
        "destination_tokens.secrets",
    ):
        table = column.partition(".")[0]
        with (
            pytest.raises(Exception, match=r"permission denied|not possible"),
            control_tenant(control, tenant) as session,
        ):
            session.execute(text(f"select {column} from {table}"))


def control_tenant(control: ControlApi, tenant: str) -> Any:
    """A transaction as the API has it."""
    return control.control.tenant(tenant)


def test_a_destination_is_paused_resumed_and_tested_by_a_task(control: ControlApi) -> None:
    tenant = control.tenant()
    url = f"{TENANT}/destinations"
    body = {
        "kind": "webhook", "configuration": {"url": "https://hooks.example.com/a"}, "secrets": {"secret": SECRET}
    }  # fmt: skip
    control.ask("admin", "POST", url, tenant, body)
    for word, is_enabled in (("pause", False), ("pause", False), ("resume", True)):
        assert control.ask("operator", "POST", f"{url}/webhook/{word}", tenant).json()["is_enabled"] is is_enabled
    task = control.ask("operator", "POST", f"{url}/webhook/tests", tenant)
    assert (task.status_code, task.json()["kind"]) == (202, "destination_test")
    assert control.ask("operator", "POST", f"{url}/nothing/tests", tenant).status_code == 404


def crm(control: ControlApi) -> tuple[str, str]:
    """A tenant with a HubSpot destination, and the destination's ETag."""
    tenant = control.tenant()
    body = {"kind": "hubspot", "name": "crm", "configuration": {}, "secrets": {"access_token": "pat-na1-never-shown"}}
    made = control.ask("admin", "POST", f"{TENANT}/destinations", tenant, body)
    assert made.status_code == 201, made.text
    return tenant, made.headers["etag"]


def tried(control: ControlApi, tenant: str, mapping: str, result: dict[str, Any] | None) -> str:
    """The id of a task that tried the mapping, with what its worker found."""
    asked = control.ask("operator", "POST", f"{TENANT}/destinations/crm/mappings", tenant, {"mapping": mapping})
    assert (asked.status_code, asked.json()["kind"]) == (202, "destination_mapping")
    with system_session(control.system) as session:
        row = session.get_one(ControlTask, asked.json()["task_id"])
        assert row.asked == {"name": "crm", "mapping": mapping, "lead_id": None, "with_lead": True}
        row.state, row.result = ("done", result) if result is not None else ("waiting", None)
    return str(asked.json()["task_id"])


def test_a_mapping_is_stored_when_its_product_has_read_it_and_two_editors_do_not_overwrite_each_other(
    control: ControlApi,
) -> None:
    tenant, etag = crm(control)
    one = f"{TENANT}/destinations/crm"
    mapping = "contact:\n  own_city: attributes.city\n"

    def stored(task_id: str, base: str | None = etag, role: str = "admin") -> Any:
        return control.ask(role, "PUT", f"{one}/mapping", tenant, {"task_id": task_id}, if_match=base)

    valid, wrong = tried(control, tenant, mapping, {"is_valid": True}), {"detail": "The mapping, line 2: no."}
    refused = stored(tried(control, tenant, "x", {"is_valid": False, "findings": [wrong]}))
    assert (refused.status_code, "line 2" in refused.json()["detail"]) == (422, True)
    assert stored(tried(control, tenant, mapping, None)).status_code == 422  # nobody has read it yet
    assert stored(str(uuid4())).status_code == 404
    assert (stored(valid, None).status_code, stored(valid, role="operator").status_code) == (428, 403)
    done = stored(valid)
    assert (done.status_code, done.json()["configuration"]["mapping"]) == (200, mapping.strip())
    late = stored(tried(control, tenant, "deal: {}", {"is_valid": True}))
    assert (late.status_code, late.json()["differences"][0]["theirs"]) == (409, mapping.strip())
    own = stored(tried(control, tenant, "", {"is_valid": True}), done.headers["etag"])
    assert "mapping" not in own.json()["configuration"]
    updates = [
        line["detail"]["changes"]["mapping"]["to"]
        for line in actions(control, tenant)
        if line["action"] == "destination.updated"
    ]
    assert updates == [mapping.strip(), None]
    direct = edited(control, one, tenant, {"configuration": {"mapping": mapping}}, own.headers["etag"])
    assert (direct.status_code, "/mappings" in direct.json()["detail"]) == (422, True)


def test_a_token_that_may_not_read_leads_gets_none_by_a_trial_of_a_mapping(control: ControlApi) -> None:
    tenant, _ = crm(control)
    email = control.user({tenant: "admin"})
    with system_session(control.system) as session:
        blind = create_token(session, email, "blind", ["destinations", "tasks"], days=1, actor="test")
        seeing = create_token(session, email, "seeing", ["tasks", "leads:read"], days=1, actor="test")

    def asked(token: str, method: str, place: str, body: Any = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        address = f"/v1/tenants/{tenant}/{place}"
        return dict(control.client.request(method, address, json=body, headers=headers).json())

    made = asked(blind.token, "POST", "destinations/crm/mappings", {"mapping": ""})
    with system_session(control.system) as session:
        assert session.get_one(ControlTask, made["task_id"]).asked["with_lead"] is False
    shown = {"is_valid": True, "fields": [{"field": "email", "after": "ana@lead.test"}]}
    task_id = tried(control, tenant, "", shown)
    assert asked(seeing.token, "GET", f"tasks/{task_id}")["result"] == shown
    assert asked(blind.token, "GET", f"tasks/{task_id}")["result"] is None
    assert "ana@lead.test" not in json.dumps(asked(blind.token, "GET", "tasks"))


def test_a_user_is_added_with_a_password_shown_once_changed_and_removed(control: ControlApi) -> None:
    tenant, other = control.tenant(), control.tenant()
    email = f"{uuid4().hex[:10]}@example.test"
    users = f"{TENANT}/users"
    made = control.ask("admin", "POST", users, tenant, {"email": email, "role": "viewer"})
    assert (made.status_code, len(made.json()["password"]) >= 16) == (201, True)
    known = control.ask("admin", "POST", users, other, {"email": email, "role": "analyst"})
    assert (known.status_code, known.json()["password"]) == (201, None)
    assert control.ask("admin", "POST", users, tenant, {"email": email, "role": "viewer"}).status_code == 201
    assert control.ask("admin", "POST", users, tenant, {"email": email, "role": "admin"}).status_code == 409
    etag = control.ask("admin", "GET", f"{users}/{email}", tenant).headers["etag"]
    granted = control.ask("admin", "PUT", f"{users}/{email}", tenant, {"role": "operator"}, if_match=etag)
    assert granted.json()["role"] == "operator"
    listed = control.ask("admin", "GET", users, tenant).json()["items"]
    assert (email, "operator") in [(line["email"], line["role"]) for line in listed]
    etag = granted.headers["etag"]
    assert control.ask("admin", "DELETE", f"{users}/{email}", tenant, if_match=etag).status_code == 204
    assert control.ask("admin", "PUT", f"{users}/{email}", tenant, {"role": "admin"}, if_match=etag).status_code == 404
    still = control.ask("admin", "GET", users, other).json()["items"]
    assert (email, "analyst") in [(line["email"], line["role"]) for line in still]
    gone = control.ask("platform", "PATCH", f"/v1/users/{email}", tenant, {"is_active": False})
    assert gone.json()["is_active"] is False


def test_a_replay_is_asked_for_stopped_twice_and_resumed(control: ControlApi) -> None:
    tenant, key = control.tenant(), uuid4().hex
    body = {"received_from": "2026-03-10T23:30:00-03:00", "reason": "new rules"}
    made = [
        control.ask("operator", "POST", f"{TENANT}/replays", tenant, body, idempotency_key=key).json() for _ in range(2)
    ]
    assert made[0] == made[1]
    assert made[0]["received_from"] == "2026-03-11T02:30:00Z"
    one = f"{TENANT}/replays/{made[0]['request_id']}"
    states = [
        control.ask("operator", "POST", f"{one}/{word}", tenant).json()["state"] for word in ("stop", "stop", "resume")
    ]
    assert states == ["stopped", "stopped", "waiting"]
    assert len(control.ask("viewer", "GET", f"{TENANT}/replays", tenant).json()["items"]) == 1
    theirs = control.tenant()
    assert control.ask("admin", "GET", one.replace("{t}", theirs), theirs).status_code == 404


def test_a_token_may_do_what_its_user_may_within_its_scopes_until_it_is_revoked(control: ControlApi) -> None:
    tenant = control.tenant()
    email = control.user({tenant: "admin"})
    with system_session(control.system) as session:
        reads = create_token(session, email, "reader", ["read"], days=1, actor="test")
        rules = create_token(session, email, "rules", ["rules:read"], days=1, actor="test")

    def status(token: str, method: str, path: str, body: Any = None) -> int:
        headers = {"Authorization": f"Bearer {token}", "If-Match": '"x"'}
        return control.client.request(method, path.replace("{t}", tenant), json=body, headers=headers).status_code

    assert status(reads.token, "GET", f"{TENANT}/rules") == 200
    assert status(reads.token, "PATCH", TENANT, {"currency": "EUR"}) == 403
    assert (status(rules.token, "GET", f"{TENANT}/rules"), status(rules.token, "GET", TENANT)) == (200, 403)
    with system_session(control.system) as session:
        revoke_token(session, email, rules.row.prefix, actor="test")
        assert session.scalar(text("select last_used_at is not null from user_tokens where name = 'reader'"))
    assert status(rules.token, "GET", f"{TENANT}/rules") == 401
    assert status(f"{reads.token[:-1]}x", "GET", f"{TENANT}/rules") == 401
    with system_session(control.system) as session:
        session.execute(text("update user_tokens set expires_at = now() where name = 'reader'"))
    assert status(reads.token, "GET", f"{TENANT}/rules") == 401
    with system_session(control.system) as session:
        other = create_token(session, email, "third", ["all"], days=1, actor="test")
        assert status(other.token, "GET", TENANT) == 401  # it is not committed yet
    assert status(other.token, "GET", TENANT) == 200
    with system_session(control.system) as session:
        set_user_active(session, email, False, actor="test")
    assert status(other.token, "GET", TENANT) == 401


def test_a_role_that_is_taken_away_counts_at_the_next_request(control: ControlApi) -> None:
    tenant = control.tenant()
    email = control.user({tenant: "operator"})
    bearer = {"Authorization": f"Bearer {control.token(email)}"}
    path = f"/v1/tenants/{tenant}/rules"
    assert control.client.get(path, headers=bearer).status_code == 200
    with system_session(control.system) as session:
        session.execute(text("delete from user_tenants where user_id = :u"), {"u": get_user(session, email).user_id})
    assert control.client.get(path, headers=bearer).status_code == 403
    control.client.post("/v1/logout", headers=bearer)
    assert control.client.get(path, headers=bearer).status_code == 401


def test_the_audit_log_is_a_chain_that_an_export_proves(control: ControlApi) -> None:
    tenant = control.tenant()
    for name in ("a", "b", "c"):
        control.ask("admin", "POST", f"{TENANT}/keys", tenant, {"name": name})
    before = b""
    exported = [
        json.loads(line) for line in control.ask("admin", "GET", f"{TENANT}/audit/export", tenant).text.splitlines()
    ]
    for position, entry in enumerate(exported, 1):
        before = hashlib.sha256(before + entry["line"].encode()).digest()
        assert (entry["position"], entry["hash"]) == (position, before.hex())
    assert [json.loads(entry["line"])["action"] for entry in exported][-3:] == ["key.created"] * 3
    with system_session(control.system) as session:
        assert verify_chain(session, tenant).problem == ""


@pytest.mark.parametrize(
    ("tampered", "problem"),
    [
        ("update audit_log set actor = 'user:eve@example.test' where tenant_id = :t and chain_position = 2", "Entry 2"),
        ("delete from audit_log where tenant_id = :t and chain_position = 2", "Entry 2 is missing"),
        ("delete from audit_log where tenant_id = :t and chain_position = 3", "There were 3 entries"),
    ],
)
def test_a_log_that_the_owner_of_the_database_changed_is_noticed(
    control: ControlApi, owner: Any, tampered: str, problem: str
) -> None:
    tenant = control.tenant()
    for name in ("a", "b"):
        control.ask("admin", "POST", f"{TENANT}/keys", tenant, {"name": name})
    with system_session(control.system) as session:
        count = session.scalar(text("select position from audit_chains where chain = :t"), {"t": tenant})
        assert count >= 3
        with pytest.raises(DBAPIError, match=r"append-only|permission denied"), session.begin_nested():
            session.execute(text(tampered), {"t": tenant})
    with owner.begin() as connection:
        for statement in ("no force row level security", "disable trigger refuse_audit_change"):
            connection.execute(text(f"alter table audit_log {statement}"))
        connection.execute(text("delete from audit_log where tenant_id = :t and chain_position > 3"), {"t": tenant})
        connection.execute(
            text(
                "update audit_chains set position = 3, hash = (select hash from audit_log where tenant_id = :t "
                "and chain_position = 3) where chain = :t"
            ),
            {"t": tenant},
        )
        connection.execute(text(tampered), {"t": tenant})
        for statement in ("force row level security", "enable trigger refuse_audit_change"):
            connection.execute(text(f"alter table audit_log {statement}"))
    with system_session(control.system) as session:
        assert problem in verify_chain(session, tenant).problem


def test_a_replay_from_the_queue_is_of_its_own_kind_tried_by_its_own_dry_run_and_takes_no_leads(
    control: ControlApi,
) -> None:
    tenant = control.tenant()
    days = {"received_from": "2026-03-10T00:00:00-03:00", "origin": "queue"}
    made = control.ask("operator", "POST", f"{TENANT}/replays", tenant, {**days, "reason": "lost"})
    assert (made.status_code, made.json()["kind"], made.json()["state"]) == (201, "queue", "waiting")
    tried = control.ask("analyst", "POST", f"{TENANT}/replays/trials", tenant, days)
    assert tried.status_code == 202
    for path, more in (("replays", {"reason": "lost"}), ("replays/trials", {})):
        refused = control.ask("operator", "POST", f"{TENANT}/{path}", tenant, {**days, **more, "lead_ids": ["lead-1"]})
        assert (refused.status_code, "choose days" in refused.json()["detail"]) == (422, True)
    elsewhere = control.ask("operator", "POST", f"{TENANT}/replays", tenant, {"origin": "lake", "reason": "x"})
    assert elsewhere.status_code == 422

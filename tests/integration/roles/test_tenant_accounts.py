"""The SQL that binds tenants' accounts to their rows on a ClickHouse server, read by the engine's own parser."""

import hashlib
import re

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.warehouse import connect, ensure_tenant_accounts
from echolead.warehouse_accounts import TENANT_DATABASES, role_statements, tenant_password, tenant_statements

KEY = "a-key-of-thirty-two-bytes-or-more"


@pytest.fixture(scope="module")
def owner(warehouse_server: EmbeddedWarehouse) -> Client:
    return connect(warehouse_server.url)


def as_the_engine_reads(owner: Client, statement: str) -> str:
    asked = "select formatQuerySingleLine({text:String})"
    return str(owner.query(asked, parameters={"text": statement}).result_rows[0][0])


def test_every_statement_is_one_the_engine_knows_as_it_stands(owner: Client) -> None:
    for statement in [*role_statements(), *tenant_statements(KEY, ["acme", "b-2"])]:
        read = as_the_engine_reads(owner, statement)
        assert read.replace("`", "").replace("FOR SELECT ", "") == statement.replace("`", "")


def test_each_database_a_tenant_reads_has_its_policy_before_its_grant() -> None:
    statements = role_statements()
    for database in TENANT_DATABASES:
        policy, grant = (
            next(place for place, text in enumerate(statements) if re.search(pattern, text))
            for pattern in (rf"ROW POLICY .* ON {database}\.\* USING tenant_id = ", rf"GRANT SELECT ON {database}\.\* ")
        )
        assert policy < grant
    granted = {re.search(r"ON (\w+)\.\*", text)[1] for text in statements if text.startswith("GRANT")}  # type: ignore[index]
    assert granted == set(TENANT_DATABASES)


def test_the_policys_condition_is_the_tenant_of_the_account(owner: Client) -> None:
    condition = re.search(r"USING (.*) TO", role_statements()[2])[1]  # type: ignore[index]
    expression = condition.removeprefix("tenant_id = ").replace("currentUser()", "'tenant_b-2'")
    assert owner.command(f"select {expression}") == "b-2"


def test_a_tenants_password_is_sent_as_its_hash_alone() -> None:
    text = "\n".join(tenant_statements(KEY, ["acme"]))
    password = tenant_password(KEY, "acme")
    assert password not in text
    assert hashlib.sha256(password.encode()).hexdigest() in text
    assert KEY not in text


@pytest.mark.parametrize("tenant_id", ["", "a' OR 1 --", "A", "x" * 80, "acme\n", "a`b"])
def test_an_invalid_tenant_id_is_never_part_of_a_statement(tenant_id: str) -> None:
    with pytest.raises(ValueError, match="is not a tenant id"):
        tenant_statements(KEY, [tenant_id])


def test_the_embedded_warehouse_keeps_no_accounts(owner: Client) -> None:
    ensure_tenant_accounts(owner, KEY, ["acme"])
    with pytest.raises(DatabaseError, match="AUTHENTICATION_FAILED"):
        connect(str(owner.url).replace("://", "://tenant_acme:" + tenant_password(KEY, "acme") + "@"))

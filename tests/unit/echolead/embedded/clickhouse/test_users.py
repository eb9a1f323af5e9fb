"""Names and passwords of the accounts."""

import base64

import pytest

from echolead.embedded.clickhouse.errors import Code, WarehouseError
from echolead.embedded.clickhouse.users import Users
from echolead.warehouse_accounts import tenant_password

USERS = Users({"echolead": "writer-password", "operator": "reader-password"}, "key")


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "parameters", "is_readonly"),
    [
        pytest.param(basic("echolead", "writer-password"), {}, False, id="basic"),
        pytest.param({"x-clickhouse-user": "operator", "x-clickhouse-key": "reader-password"}, {}, True, id="headers"),
        pytest.param({}, {"user": "echolead", "password": "writer-password"}, False, id="url"),
    ],
)
def test_a_user_signs_in_in_any_of_three_ways(
    headers: dict[str, str], parameters: dict[str, str], is_readonly: bool
) -> None:
    assert USERS.authenticate(headers, parameters).is_readonly is is_readonly


@pytest.mark.parametrize(
    ("headers", "parameters"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param(basic("echolead", "reader-password"), {}, id="the other user's password"),
        pytest.param(basic("default", ""), {}, id="ClickHouse's default user"),
        pytest.param(basic("nobody", "writer-password"), {}, id="unknown name"),
        pytest.param({"authorization": "Basic !"}, {}, id="not base64"),
        pytest.param({"authorization": "Bearer writer-password"}, {}, id="another scheme"),
        pytest.param(
            {"x-clickhouse-user": "x"}, {"user": "echolead", "password": "writer-password"}, id="headers come first"
        ),
    ],
)
def test_anyone_else_is_refused(headers: dict[str, str], parameters: dict[str, str]) -> None:
    with pytest.raises(WarehouseError) as caught:
        USERS.authenticate(headers, parameters)
    assert (caught.value.code, caught.value.status) == (Code.AUTHENTICATION_FAILED, 403)


def test_a_user_without_a_password_cannot_sign_in() -> None:
    with pytest.raises(WarehouseError):
        Users({"echolead": "writer-password"}, "").authenticate(basic("operator", ""), {})


def test_a_tenant_signs_in_with_the_password_derived_from_the_key_and_is_bound_to_its_rows() -> None:
    account = USERS.authenticate(basic("tenant_acme", tenant_password("key", "acme")), {})
    assert (account.tenant_id, account.is_readonly) == ("acme", True)


@pytest.mark.parametrize(
    ("name", "password", "key"),
    [
        pytest.param("tenant_acme", tenant_password("key", "beta"), "key", id="another tenant's password"),
        pytest.param("tenant_acme", tenant_password("old", "acme"), "key", id="another key"),
        pytest.param("tenant_acme", "", "key", id="no password"),
        pytest.param("tenant_acme", "", "", id="no key"),
        pytest.param("acme", tenant_password("key", "acme"), "key", id="the tenant's id alone"),
        pytest.param("tenant_", "", "key", id="no tenant"),
        pytest.param("tenant_a' or 1", tenant_password("key", "acme"), "key", id="an invalid id"),
    ],
)
def test_no_other_password_is_a_tenants(name: str, password: str, key: str) -> None:
    with pytest.raises(WarehouseError):
        Users({"echolead": "writer-password"}, key).authenticate(basic(name, password), {})


def test_no_password_is_derived_from_an_empty_key() -> None:
    with pytest.raises(ValueError, match="ECHOLEAD_CLICKHOUSE_TENANT_KEY is empty"):
        tenant_password("", "acme")

"""Names and passwords of the two users."""

import base64

import pytest

from echolead.embedded.clickhouse.errors import Code, WarehouseError
from echolead.embedded.clickhouse.users import Users

USERS = Users("writer-password", "reader-password")


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "parameters", "is_readonly"),
    [
        pytest.param(basic("echolead", "writer-password"), {}, False, id="basic"),
        pytest.param({"x-clickhouse-user": "reader", "x-clickhouse-key": "reader-password"}, {}, True, id="headers"),
        pytest.param({}, {"user": "echolead", "password": "writer-password"}, False, id="url"),
    ],
)
def test_a_user_is_known_by_any_of_the_three_ways(
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
        Users("writer-password", "").authenticate(basic("reader", ""), {})

"""The matrix of role and operation, generated from `echolead.permissions` and the routes: each cell is asked for."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi.routing import APIRoute

from echolead.permissions import PERMISSIONS, PLATFORM, ROLES
from ingest_api.control.call import OPERATION
from ingest_api.control.resources import RESOURCES
from tests.fixtures.control_api import ControlApi

ROUTES = [route for routes in RESOURCES for route in routes.routes if isinstance(route, APIRoute)]
NAMES = [f"{next(iter(route.methods))} {route.path}" for route in ROUTES]
WHO = (*ROLES, PLATFORM)


def operation_of(route: APIRoute) -> str:
    """What the route names in the matrix."""
    return str((route.openapi_extra or {})[OPERATION])


def request(control: ControlApi, route: APIRoute, tenant: str, token: str | None) -> httpx.Response:
    """A request that is stopped at the latest by its empty body or an object that is not there."""
    path = re.sub(r"\{tenant_id\}", tenant, route.path)
    path = re.sub(r"\{\w+\}", str(uuid4()), path)
    headers = {"If-Match": '"none"', **({"Authorization": f"Bearer {token}"} if token else {})}
    body: Any = {} if route.body_field is not None else None
    return control.client.request(next(iter(route.methods)), path, json=body, headers=headers)


@pytest.fixture(scope="module")
def tenants(control: ControlApi) -> tuple[str, str]:
    """The tenant that users of each role have, and another."""
    return control.tenant(), control.tenant()


def test_every_operation_has_a_route_and_every_route_an_operation() -> None:
    assert {operation_of(route) for route in ROUTES} == PERMISSIONS.keys()


def test_every_route_is_about_a_tenant_unless_it_needs_a_platform_administrator() -> None:
    for route in ROUTES:
        is_of_tenant = "{tenant_id}" in route.path
        assert is_of_tenant or PERMISSIONS[operation_of(route)].role == PLATFORM, route.path


@pytest.mark.parametrize("role", WHO)
@pytest.mark.parametrize("route", ROUTES, ids=NAMES)
def test_an_operation_is_open_to_its_role_and_those_above(
    control: ControlApi, tenants: tuple[str, str], route: APIRoute, role: str
) -> None:
    needed = PERMISSIONS[operation_of(route)].role
    answer = request(control, route, tenants[0], control.token_of(role, tenants[0]))
    assert answer.status_code not in (401, 405), answer.text
    assert (answer.status_code == 403) is (WHO.index(role) < WHO.index(needed)), answer.text


@pytest.mark.parametrize("route", [route for route in ROUTES if "{tenant_id}" in route.path], ids=lambda r: r.path)
def test_the_admin_of_one_tenant_may_do_nothing_in_another_or_in_one_that_is_not_there(
    control: ControlApi, tenants: tuple[str, str], route: APIRoute
) -> None:
    mine, theirs = tenants
    answers = [request(control, route, place, control.token_of("admin", mine)) for place in (theirs, "no-such-tenant")]
    assert [answer.status_code for answer in answers] == [403, 403]
    told = [
        answer.json()["detail"].replace(place, "…")
        for answer, place in zip(answers, (theirs, "no-such-tenant"), strict=True)
    ]
    assert told[0] == told[1]  # nothing says which tenants there are


@pytest.mark.parametrize("route", ROUTES, ids=NAMES)
def test_without_a_bearer_token_nothing_is_answered(
    control: ControlApi, tenants: tuple[str, str], route: APIRoute
) -> None:
    cookie = {"Cookie": f"echolead_session={control.token_of('admin', tenants[0])}"}
    control.client.headers.update(cookie)  # a page could send it in a user's name
    try:
        answer = request(control, route, tenants[0], None)
    finally:
        control.client.headers.pop("Cookie")
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/not-signed-in")

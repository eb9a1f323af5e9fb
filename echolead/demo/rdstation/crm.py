"""RD Station CRM in the demo: contacts and deals, of which nothing is unique, and answers within `data`.

Sources: developers.rdstation.com, CRM v2 (introduction, key concepts); integrators' code for the shapes of bodies.
"""

import functools
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Record = dict[str, Any]
Handler = Callable[[Request, "Crm"], Awaitable[Response]]
CRM = "/crm/v2"


@dataclass
class Crm:
    """One account. Several contacts may have one address, and each call makes another deal."""

    calls_a_minute: int = 100_000
    contacts: dict[str, Record] = field(default_factory=dict)
    deals: dict[str, Record] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    _calls: list[float] = field(default_factory=list)

    def add(self, kind: dict[str, Record], values: Record) -> Record:
        """One more record."""
        made = {"id": uuid.uuid4().hex[:24], **values}
        kind[made["id"]] = made
        return made

    def wait(self) -> float:
        """Seconds until the account's minute has room; 0 when it has now, and the call is counted."""
        now = self.clock()
        self._calls = [each for each in self._calls if each > now - 60]
        if len(self._calls) >= self.calls_a_minute:
            return self._calls[0] + 60 - now
        self._calls.append(now)
        return 0.0


def routes() -> list[Route]:
    """Every address of the CRM."""
    return [
        Route(f"{CRM}/contacts", _of_account(list_contacts)),
        Route(f"{CRM}/contacts", _of_account(make_contact), methods=["POST"]),
        Route(f"{CRM}/contacts/{{contact_id}}", _of_account(show_contact)),
        Route(f"{CRM}/contacts/{{contact_id}}", _of_account(change_contact), methods=["PUT"]),
        Route(f"{CRM}/deals", _of_account(list_deals)),
        Route(f"{CRM}/deals", _of_account(make_deal), methods=["POST"]),
    ]


def _of_account(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    @functools.wraps(handler)
    async def endpoint(request: Request) -> Response:
        crm: Crm = request.app.state.crm
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in request.app.state.tokens.access:
            return JSONResponse({"errors": [{"code": "unauthorized", "detail": "Invalid token"}]}, 401)
        if wait := crm.wait():
            return JSONResponse({"errors": []}, 429, {"Retry-After": str(max(1, round(wait)))})
        return await handler(request, crm)

    return endpoint


async def list_contacts(request: Request, crm: Crm) -> Response:
    """`GET contacts?filter=email:…`: those with the value, and some that only look alike."""
    key, _, value = request.query_params.get("filter", "").partition(":")
    kind = {"email": "emails", "phone": "phones"}.get(key)
    found = [
        each
        for each in crm.contacts.values()
        if kind is None or any(value.lower() in str(entry.get(key)).lower() for entry in each.get(kind) or ())
    ]
    return JSONResponse({"data": found[: int(request.query_params.get("page[size]", 25))]})


async def make_contact(request: Request, crm: Crm) -> Response:
    """`POST contacts`"""
    values = (await request.json())["data"]
    if len(values.get("name") or "") < 2:
        return _invalid("name", "is too short")
    return JSONResponse({"data": crm.add(crm.contacts, values)}, 201)


async def show_contact(request: Request, crm: Crm) -> Response:
    """`GET contacts/{id}`"""
    found = crm.contacts.get(request.path_params["contact_id"])
    return JSONResponse({"data": found}) if found else JSONResponse({"errors": [{"code": "not_found"}]}, 404)


async def change_contact(request: Request, crm: Crm) -> Response:
    """`PUT contacts/{id}`: the fields that are given, lists whole."""
    found = crm.contacts.get(request.path_params["contact_id"])
    if found is None:
        return JSONResponse({"errors": [{"code": "not_found"}]}, 404)
    found.update((await request.json())["data"])
    return JSONResponse({"data": found})


async def list_deals(request: Request, crm: Crm) -> Response:
    """`GET deals?filter=contact_id:…`"""
    _, _, value = request.query_params.get("filter", "").partition(":")
    return JSONResponse({"data": [each for each in crm.deals.values() if not value or value in each["contact_ids"]]})


async def make_deal(request: Request, crm: Crm) -> Response:
    """`POST deals`"""
    values = (await request.json())["data"]
    if not values.get("name"):
        return _invalid("name", "can't be blank")
    if any(each not in crm.contacts for each in values.get("contact_ids") or ()):
        return _invalid("contact_ids", "is invalid")
    return JSONResponse({"data": crm.add(crm.deals, values)}, 201)


def _invalid(name: str, detail: str) -> Response:
    return JSONResponse({"errors": {name: [{"error_type": "INVALID", "error_message": f"{name} {detail}"}]}}, 422)

"""RD Station CRM in the demo: contacts and deals, of which nothing is unique, and answers within `data`.

Sources: developers.rdstation.com, CRM v2 (introduction, key concepts); integrators' code for the shapes of bodies.
"""

import functools
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Record = dict[str, Any]
Handler = Callable[[Request, "Crm"], Awaitable[Response]]
CRM = "/crm/v2"
LISTED = 10_000
CHANGED = re.compile(r'updated_at:(>=|<=)"([^"]+)"')


@dataclass
class Crm:
    """One account. Several contacts may have one address, and each call makes another deal."""

    calls_a_minute: int = 100_000
    contacts: dict[str, Record] = field(default_factory=dict)
    deals: dict[str, Record] = field(default_factory=dict)
    stages: dict[str, Record] = field(default_factory=lambda: {
        f"etapa-{number}": {"id": f"etapa-{number}", "name": name, "order": number, "pipeline_id": "funil-1"}
        for number, name in enumerate(("Sem contato", "Contato feito", "Proposta enviada"), start=1)
    })  # fmt: skip
    clock: Callable[[], float] = time.time
    _calls: list[float] = field(default_factory=list)

    def add(self, kind: dict[str, Record], values: Record) -> Record:
        """One more record; a deal begins in the first stage unless it says another."""
        now = self.now()
        begin = {"status": "ongoing", "stage_id": "etapa-1", "total_price": 0} if kind is self.deals else {}
        made = {"id": uuid.uuid4().hex[:24], "created_at": now, **begin, **values, "updated_at": now}
        if kind is self.deals:
            made["pipeline_id"] = values.get("pipeline_id") or self._pipeline(made["stage_id"])
        kind[made["id"]] = made
        return made

    def change_deal(self, deal_id: str, values: Record) -> Record:
        """A deal with other values; who wins or loses it closes it, who opens it again does not."""
        deal = self.deals[deal_id]
        deal.update(values, updated_at=self.now())
        deal["pipeline_id"] = self._pipeline(deal["stage_id"])
        if "status" in values:
            deal["closed_at"] = self.now() if values["status"] in ("won", "lost") else None
        return deal

    def now(self) -> str:
        """The clock as RD writes it: UTC, to the second."""
        return datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _pipeline(self, stage_id: str) -> str:
        return str(self.stages.get(stage_id, {}).get("pipeline_id", ""))

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
        Route(f"{CRM}/deals/{{deal_id}}", _of_account(change_deal), methods=["PUT"]),
        Route(f"{CRM}/pipelines", _of_account(list_pipelines)),
        Route(f"{CRM}/pipelines/{{pipeline_id}}/stages", _of_account(list_stages)),
    ]


def _of_account(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    @functools.wraps(handler)
    async def endpoint(request: Request) -> Response:
        crm: Crm = request.app.state.crm
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in request.app.state.crm_tokens.access | request.app.state.tokens.access:
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
    """`GET deals?filter=contact_id:…` or `updated_at:>="…"`: the first 10,000 of those that fit, by id."""
    asked = request.query_params.get("filter", "")
    found = list(crm.deals.values())
    for sign, at in CHANGED.findall(asked):
        bound, is_from = f"{at.replace(' ', 'T')}Z", sign == ">="
        found = [each for each in found if (each["updated_at"] >= bound if is_from else each["updated_at"] <= bound)]
    if asked.startswith("contact_id:"):
        value = asked.partition(":")[2]
        found = [each for each in found if value in (each.get("contact_ids") or ())]
    return _page(request, sorted(found, key=lambda each: str(each["id"]))[:LISTED])


async def change_deal(request: Request, crm: Crm) -> Response:
    """`PUT deals/{id}`"""
    if request.path_params["deal_id"] not in crm.deals:
        return JSONResponse({"errors": [{"code": "not_found"}]}, 404)
    return JSONResponse({"data": crm.change_deal(request.path_params["deal_id"], (await request.json())["data"])})


async def list_pipelines(request: Request, crm: Crm) -> Response:
    """`GET pipelines`"""
    ids = sorted({stage["pipeline_id"] for stage in crm.stages.values()})
    return _page(request, [{"id": each, "name": f"Funil {number}"} for number, each in enumerate(ids, start=1)])


async def list_stages(request: Request, crm: Crm) -> Response:
    """`GET pipelines/{id}/stages`"""
    of = request.path_params["pipeline_id"]
    return _page(request, [stage for stage in crm.stages.values() if stage["pipeline_id"] == of])


def _page(request: Request, found: list[Record]) -> Response:
    size = int(request.query_params.get("page[size]", 25))
    first = (int(request.query_params.get("page[number]", 1)) - 1) * size
    return JSONResponse({"data": found[first : first + size]})


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

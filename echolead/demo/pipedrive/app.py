"""The demo Pipedrive as an ASGI application: API v2 under `/api/v2`, leads and notes under `/v1`."""

import hmac
from collections.abc import Awaitable, Callable
from datetime import datetime

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from echolead.demo.chatwoot.faults import FaultMiddleware, Faults
from echolead.demo.pipedrive import deals
from echolead.demo.pipedrive.answers import failed, succeeded
from echolead.demo.pipedrive.limits import PipedriveLimits
from echolead.demo.pipedrive.store import BadRequest, NoSuchItem, PipedriveStore, PlanLimit, Record

Answering = Callable[[Request, PipedriveStore, Record], Awaitable[Response]]
FIELD_TYPES = ("varchar", "text", "double", "date", "enum", "set", "monetary", "user", "phone")


def create_app(
    api_token: str,
    *,
    store: PipedriveStore | None = None,
    faults: Faults | None = None,
    limits: PipedriveLimits | None = None,
) -> Starlette:
    """The application with one account, which is empty unless a `store` is given."""
    faults = faults or Faults()
    app = Starlette(
        routes=routes(), middleware=[Middleware(FaultMiddleware, faults=faults, below=("/api/v2/", "/v1/"))]
    )
    app.state.api_token = api_token
    app.state.store = store or PipedriveStore()
    app.state.faults = faults
    app.state.limits = limits or PipedriveLimits()
    return app


def answering(handler: Answering) -> Callable[[Request], Awaitable[Response]]:
    """Check the token and the limits, read the body, and answer refusals in Pipedrive's words."""

    async def answer(request: Request) -> Response:
        state = request.app.state
        given = request.headers.get("x-api-token", "")
        if not hmac.compare_digest(state.api_token.encode(), given.encode()):
            return failed(401, "unauthorized access", errorCode=401)
        refused = state.limits.take(request.url.path)
        if refused is not None:
            limited = failed(429, "request over limit", errorCode=429)
            limited.headers.update(refused)
            return limited
        try:
            answered = await handler(request, state.store, await request.json() if await request.body() else {})
        except BadRequest as caught:
            answered = failed(400, str(caught))
        except NoSuchItem:
            answered = failed(404, "Item not found")
        except PlanLimit as caught:
            answered = failed(403, "The plan's limit is reached.", code=str(caught))
        answered.headers.update(state.limits.headers())
        return answered

    return answer


async def list_fields(request: Request, store: PipedriveStore, _body: Record) -> Response:
    """`GET /api/v2/personFields`, `/api/v2/dealFields`: 10 a page, so that paging is used."""
    fields = store.fields[request.path_params["kind"]]
    first = int(request.query_params.get("cursor") or 0)
    following = str(first + 10) if first + 10 < len(fields) else None
    return succeeded(fields[first : first + 10], additional_data={"next_cursor": following})


async def create_field(request: Request, store: PipedriveStore, body: Record) -> Response:
    """`POST /api/v2/personFields`, `/api/v2/dealFields`"""
    if body["field_type"] not in FIELD_TYPES:
        raise BadRequest(f"{body['field_type']} is no type of field.")
    labels = [option["label"] for option in body.get("options") or ()]
    return succeeded(store.add_field(request.path_params["kind"], body["field_name"], body["field_type"], labels))


async def create_person(_request: Request, store: PipedriveStore, body: Record) -> Response:
    """`POST /api/v2/persons`"""
    return succeeded(store.create_person(body))


async def show_person(request: Request, store: PipedriveStore, _body: Record) -> Response:
    """`GET /api/v2/persons/{id}`"""
    person_id = request.path_params["id"]
    if store.shows_deleted and person_id in store.deleted:
        return succeeded(store.deleted[person_id])
    return succeeded(store.person(person_id))


async def update_person(request: Request, store: PipedriveStore, body: Record) -> Response:
    """`PATCH /api/v2/persons/{id}`"""
    return succeeded(store.update_person(request.path_params["id"], body))


async def list_persons(request: Request, store: PipedriveStore, _body: Record) -> Response:
    """`GET /api/v2/persons`: from the store, those changed since a time, the newest first."""
    asked = request.query_params
    persons = sorted(store.persons.values(), key=lambda person: -int(person["id"]))
    if ids := asked.get("ids"):
        persons = [each for each in persons if str(each["id"]) in ids.split(",")]
    if since := asked.get("updated_since"):
        moment = datetime.fromisoformat(since)
        persons = [each for each in persons if datetime.fromisoformat(each["update_time"]) >= moment]
    first, limit = int(asked.get("cursor") or 0), int(asked.get("limit") or 100)
    is_more = first + limit < len(persons)
    following = str(first + limit) if is_more else None
    return succeeded(persons[first : first + limit], additional_data={"next_cursor": following})


async def search_persons(request: Request, store: PipedriveStore, _body: Record) -> Response:
    """`GET /api/v2/persons/search`: exact, by the index."""
    asked = request.query_params
    if asked.get("exact_match") != "true":
        raise BadRequest("The demo searches whole values only.")
    found = store.search(asked["term"], asked.get("fields", "name").split(","))
    items = [
        {"result_score": 1.0, "item": {"id": each["id"], "type": "person", "name": each["name"]}} for each in found
    ]
    return succeeded({"items": items}, additional_data={"next_cursor": None})


async def merge_person(request: Request, store: PipedriveStore, body: Record) -> Response:
    """`PUT /v1/persons/{id}/merge`"""
    return succeeded(store.merge_person(request.path_params["id"], int(body["merge_with_id"])))


async def create_lead(_request: Request, store: PipedriveStore, body: Record) -> Response:
    """`POST /v1/leads`"""
    return succeeded(store.create_lead(body), 201)


async def list_leads(request: Request, store: PipedriveStore, _body: Record) -> Response:
    """`GET /v1/leads`, `/v1/leads/archived` of a person, from the store."""
    is_archived, person = request.url.path.endswith("archived"), int(request.query_params["person_id"])
    found = [each for each in store.leads.values() if (each["person_id"], each["is_archived"]) == (person, is_archived)]
    return succeeded(found)


async def create_note(_request: Request, store: PipedriveStore, body: Record) -> Response:
    """`POST /v1/notes`"""
    return succeeded(store.create_note(body))


async def list_notes(request: Request, store: PipedriveStore, _body: Record) -> Response:
    """`GET /v1/notes` of a person, from the store."""
    person = int(request.query_params["person_id"])
    return succeeded([each for each in store.notes.values() if each.get("person_id") == person])


async def delete_note(request: Request, store: PipedriveStore, _body: Record) -> Response:
    """`DELETE /v1/notes/{id}`"""
    store.delete_note(request.path_params["id"])
    return succeeded(True)


async def update_lead(request: Request, store: PipedriveStore, body: Record) -> Response:
    """`PATCH /v1/leads/{id}`"""
    return succeeded(store.update_lead(request.path_params["id"], body))


def held(store: PipedriveStore) -> dict[str, list[Record]]:
    """What the account holds, by kind of record."""
    return {
        "persons": [*store.persons.values()],
        "deals": [*store.deals.values()],
        "leads": [*store.leads.values()],
        "notes": [*store.notes.values()],
    }


def routes() -> list[Route]:
    """The routes of the API, and the demo's own."""
    paths: list[tuple[str, str, Answering]] = [
        ("GET", "/api/v2/{kind:str}Fields", list_fields),
        ("POST", "/api/v2/{kind:str}Fields", create_field),
        ("GET", "/api/v2/persons/search", search_persons),
        ("GET", "/api/v2/persons", list_persons),
        ("POST", "/api/v2/persons", create_person),
        ("GET", "/api/v2/persons/{id:int}", show_person),
        ("PATCH", "/api/v2/persons/{id:int}", update_person),
        ("PUT", "/v1/persons/{id:int}/merge", merge_person),
        ("GET", "/api/v2/stages", deals.list_stages),
        ("GET", "/api/v2/pipelines", deals.list_pipelines),
        ("GET", "/api/v2/deals", deals.list_deals),
        ("GET", "/api/v2/deals/archived", deals.list_deals),
        ("POST", "/api/v2/deals", deals.create_deal),
        ("PATCH", "/api/v2/deals/{id:int}", deals.change_deal),
        ("DELETE", "/api/v2/deals/{id:int}", deals.delete_deal),
        ("GET", "/v1/deals/{id:int}/changelog", deals.list_changes),
        ("GET", "/v1/leads", list_leads),
        ("GET", "/v1/leads/archived", list_leads),
        ("POST", "/v1/leads", create_lead),
        ("PATCH", "/v1/leads/{id:str}", update_lead),
        ("GET", "/v1/notes", list_notes),
        ("POST", "/v1/notes", create_note),
        ("DELETE", "/v1/notes/{id:int}", delete_note),
    ]
    return [Route(path, answering(handler), methods=[method]) for method, path, handler in paths]

"""The demo HubSpot as an ASGI application: the CRM API under `/crm`, form submissions under `/submissions`."""

import copy
import hmac
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from echolead.demo.chatwoot.faults import FaultMiddleware, Faults
from echolead.demo.hubspot import answers, deals
from echolead.demo.hubspot.definitions import Exists, Row
from echolead.demo.hubspot.limits import HubSpotLimits
from echolead.demo.hubspot.store import HubSpotStore, Missing, shown
from echolead.demo.hubspot.values import RefusedValue

Handler = Callable[[Request, HubSpotStore, Row], Awaitable[Response]]
DEFAULT_ASSOCIATION = 1
# The type of association between a note and a contact, from the note's side.
NOTE_TO_CONTACT = 202


def create_app(
    access_token: str,
    *,
    store: HubSpotStore | None = None,
    faults: Faults | None = None,
    limits: HubSpotLimits | None = None,
) -> Starlette:
    """The application with one account, which is empty unless a `store` is given."""
    faults = faults or Faults()
    app = Starlette(
        routes=routes(), middleware=[Middleware(FaultMiddleware, faults=faults, below=("/crm/", "/submissions/"))]
    )
    app.state.access_token = access_token
    app.state.store = store or HubSpotStore()
    app.state.faults = faults
    app.state.limits = limits or HubSpotLimits()
    app.state.missing_scopes = set()
    return app


def endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Check the token and the limits, read the body, and answer refusals in HubSpot's words."""

    async def answer(request: Request) -> Response:
        state = request.app.state
        held, given = f"Bearer {state.access_token}", request.headers.get("Authorization", "")
        if not hmac.compare_digest(held.encode(), given.encode()):
            return answers.error(401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired.")
        policy = state.limits.take()
        if policy is not None:
            message = "You have reached your limit."
            refused = answers.error(429, "RATE_LIMITS", message, errorType="RATE_LIMIT", policyName=policy)
            refused.headers.update(state.limits.headers())
            return refused
        try:
            answered = await handler(request, state.store, await request.json() if await request.body() else {})
        except answers.RefusedBatch as refused_batch:
            answered = refused_batch.answer
        except answers.REFUSALS as caught:
            status, words = answers.refusal(caught)
            answered = answers.error(status, **words)
        answered.headers.update(state.limits.headers())
        return answered

    return answer


async def list_properties(request: Request, store: HubSpotStore, _body: Row) -> Response:
    """`GET /crm/v3/properties/{kind}`"""
    return JSONResponse({"results": list(store.definitions.properties[request.path_params["kind"]].values())})


async def create_properties(request: Request, store: HubSpotStore, body: Row) -> Response:
    """`POST /crm/v3/properties/{kind}/batch/create`"""
    kind = request.path_params["kind"]
    if f"crm.schemas.{kind}.write" in request.app.state.missing_scopes:
        message = "This app hasn't been granted all required scopes to make this call."
        return answers.error(403, "MISSING_SCOPES", message)
    made, errors = [], []
    for each in body["inputs"]:
        try:
            made.append(store.definitions.add_property(kind, each))
        except (RefusedValue, Exists) as caught:
            errors.append({"status": "error", "context": {}, "links": {}, **answers.refusal(caught)[1]})
    return answers.batch(made, errors, 201)


async def create_group(request: Request, store: HubSpotStore, body: Row) -> Response:
    """`POST /crm/v3/properties/{kind}/groups`"""
    return JSONResponse(store.definitions.add_group(request.path_params["kind"], body), 201)


async def change_property(request: Request, store: HubSpotStore, body: Row) -> Response:
    """`PATCH /crm/v3/properties/{kind}/{name}`"""
    return JSONResponse(store.definitions.change_property(**request.path_params, body=body))


async def read_objects(request: Request, store: HubSpotStore, body: Row) -> Response:
    """`POST /crm/v3/objects/{kind}/batch/read`"""
    kind, results, missing = request.path_params["kind"], [], []
    history = body.get("propertiesWithHistory") or []
    answers.check_batch(body["inputs"])
    deals.check_history(body["inputs"], history)
    for each in body["inputs"]:
        found = store.find(kind, each["id"], body.get("idProperty"))
        if found is None:
            missing.append(each["id"])
        else:
            results.append(deals.with_history(found, shown(found, body["properties"]), history))
    unique = list({row["id"]: row for row in results}.values())
    errors = [{"status": "error", "context": {"ids": missing}, "links": {}, **answers.refusal(Missing(missing))[1]}]
    return answers.batch(unique[::-1], errors if missing else [])


async def create_objects(request: Request, store: HubSpotStore, body: Row) -> Response:
    """`POST /crm/v3/objects/{kind}/batch/create`"""
    kind = request.path_params["kind"]

    def write(each: Row) -> Row:
        row = store.create(kind, each["properties"])
        for association in () if store.ignores_associations_on_create else each.get("associations", ()):
            types = [kind_of["associationTypeId"] for kind_of in association["types"]]
            if kind != "notes" or types != [NOTE_TO_CONTACT]:
                raise RefusedValue("associations", "INVALID_TYPE", f"{types} is no type of association of {kind}")
            store.associate(kind, row["id"], "contacts", association["to"]["id"])
        return shown(row, each["properties"])

    return _all_or_some(store, body["inputs"], write, 201)


async def update_objects(request: Request, store: HubSpotStore, body: Row) -> Response:
    """`POST /crm/v3/objects/{kind}/batch/update`, by record id."""
    kind = request.path_params["kind"]
    return _all_or_some(
        store,
        body["inputs"],
        lambda each: shown(store.update(kind, each["id"], each["properties"]), each["properties"]),
    )


async def upsert_objects(request: Request, store: HubSpotStore, body: Row) -> Response:
    """`POST /crm/v3/objects/{kind}/batch/upsert`, by an address or a unique property."""
    kind = request.path_params["kind"]

    def write(each: Row) -> Row:
        row, is_new = store.upsert(kind, each["id"], each["idProperty"], each["properties"])
        return {**shown(row, (*each["properties"], each["idProperty"])), "new": is_new}

    return _all_or_some(store, body["inputs"], write)


async def archive_note(request: Request, store: HubSpotStore, _body: Row) -> Response:
    """`DELETE /crm/v3/objects/notes/{id}`: 204, also for one that is not there."""
    store.objects["notes"].pop(request.path_params["id"], None)
    return Response(status_code=204)


async def merge_contacts(_request: Request, store: HubSpotStore, body: Row) -> Response:
    """`POST /crm/v3/objects/contacts/merge`"""
    return JSONResponse(shown(store.merge(body["primaryObjectId"], body["objectIdToMerge"]), None))


async def associate(request: Request, store: HubSpotStore, body: Row) -> Response:
    """`POST /crm/v4/associations/{kind}/{other}/batch/associate/default`"""
    kind, other = request.path_params["kind"], request.path_params["other"]
    results = []
    for each in body["inputs"]:
        store.associate(kind, each["from"]["id"], other, each["to"]["id"])
        spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": DEFAULT_ASSOCIATION}
        results.append({**each, "associationSpec": spec})
    return answers.batch(results, [])


async def read_associations(request: Request, store: HubSpotStore, body: Row) -> Response:
    """`POST /crm/v4/associations/{kind}/{other}/batch/read`"""
    kind, other = request.path_params["kind"], request.path_params["other"]
    types = [{"typeId": DEFAULT_ASSOCIATION, "category": "HUBSPOT_DEFINED"}]
    found = {each["id"]: store.associated(kind, each["id"], other) for each in body["inputs"]}
    results = [
        {"from": {"id": object_id}, "to": [{"toObjectId": to, "associationTypes": types} for to in ids]}
        for object_id, ids in found.items()
        if ids
    ]
    missing = [
        {"status": "error", "category": "OBJECT_NOT_FOUND", "message": f"No {other} is associated with {object_id}.",
         "context": {"fromObjectId": [object_id]}, "links": {}, "errors": []}
        for object_id, ids in found.items() if not ids
    ]  # fmt: skip
    return answers.batch(results, missing)


async def submit_form(request: Request, store: HubSpotStore, body: Row) -> Response:
    """`POST /submissions/v3/integration/secure/submit/{portal}/{form}`"""
    fields = {each["name"]: each["value"] for each in body["fields"]}
    store.submit(request.path_params["form"], fields, body.get("context") or {})
    return JSONResponse({"inlineMessage": "Thanks for submitting the form."})


def held(store: HubSpotStore) -> dict[str, list[Row]]:
    """What the account holds, by kind of object."""
    objects = {kind: [shown(row, None) for row in rows.values()] for kind, rows in store.objects.items()}
    return {**objects, "submissions": store.submissions}


def _all_or_some(store: HubSpotStore, inputs: list[Row], write: Callable[[Row], Row], status: int = 200) -> Response:
    answers.check_batch(inputs)
    before = copy.deepcopy((store.objects, store.associations))
    try:
        return answers.rows(inputs, write, is_partial=store.has_partial_batches, status=status)
    except answers.RefusedBatch:
        store.objects, store.associations = before
        raise


def routes() -> list[Route]:
    """The routes of the API, and the demo's own."""
    objects = "/crm/v3/objects/{kind:str}/batch"
    properties = "/crm/v3/properties/{kind:str}"
    associations = "/crm/v4/associations/{kind:str}/{other:str}/batch"
    paths: list[tuple[str, str, Handler]] = [
        ("GET", properties, list_properties),
        ("POST", f"{properties}/batch/create", create_properties),
        ("POST", f"{properties}/groups", create_group),
        ("PATCH", f"{properties}/{{name:str}}", change_property),
        ("GET", "/crm/v3/pipelines/deals", deals.list_pipelines),
        ("GET", "/crm/v3/objects/deals", deals.list_deals),
        ("PATCH", "/crm/v3/objects/deals/{id:str}", deals.change_deal),
        ("DELETE", "/crm/v3/objects/deals/{id:str}", deals.archive_deal),
        ("POST", "/crm/v3/objects/deals/merge", deals.merge_deals),
        ("POST", "/crm/v3/objects/{kind:str}/search", deals.search_objects),
        ("DELETE", "/crm/v3/objects/notes/{id:str}", archive_note),
        ("POST", "/crm/v3/objects/contacts/merge", merge_contacts),
        ("POST", f"{objects}/read", read_objects),
        ("POST", f"{objects}/create", create_objects),
        ("POST", f"{objects}/update", update_objects),
        ("POST", f"{objects}/upsert", upsert_objects),
        ("POST", f"{associations}/associate/default", associate),
        ("POST", f"{associations}/read", read_associations),
        ("POST", "/submissions/v3/integration/secure/submit/{portal:str}/{form:str}", submit_form),
    ]
    return [Route(path, endpoint(handler), methods=[method]) for method, path, handler in paths]

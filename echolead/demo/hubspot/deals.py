"""Deals of the demo HubSpot: the search, the archive, pipelines, merges, and the history of properties."""

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from echolead.demo.hubspot import answers
from echolead.demo.hubspot.definitions import Row
from echolead.demo.hubspot.store import HubSpotStore, Missing, shown

SEARCH_LIMIT = 10_000
SEARCH_PAGE = 200
WITH_HISTORY = 50


async def list_pipelines(_request: Request, store: HubSpotStore, _body: Row) -> Response:
    """`GET /crm/v3/pipelines/deals`"""
    return JSONResponse({"results": store.pipelines})


async def search_objects(request: Request, store: HubSpotStore, body: Row) -> Response:
    """`POST /crm/v3/objects/{kind}/search`: what all filters of the only group find, 10,000 at most."""
    kind, after, limit = request.path_params["kind"], int(body.get("after") or 0), int(body.get("limit") or 10)
    if limit > SEARCH_PAGE or after + limit > SEARCH_LIMIT:
        return answers.error(400, "VALIDATION_ERROR", "A search gives 10,000 results, 200 a page.")
    rows = [shown(row, None) for row in store.objects[kind].values()]
    (group,) = body["filterGroups"]
    found = [row for row in rows if all(_matches(row["properties"], each) for each in group["filters"])]
    for sort in reversed(body.get("sorts") or ()):
        found.sort(
            key=lambda row: str(row["properties"].get(sort["propertyName"]) or ""),  # used at once
            reverse=sort["direction"] == "DESCENDING",
        )
    names = [*body.get("properties", ()), "hs_object_id"]
    page = [
        {**row, "properties": {name: row["properties"].get(name) for name in names}}
        for row in found[after : after + limit]
    ]
    answer: Row = {"total": len(found), "results": page}
    if after + limit < len(found):
        answer["paging"] = {"next": {"after": str(after + limit)}}
    return JSONResponse(answer)


async def list_deals(request: Request, store: HubSpotStore, _body: Row) -> Response:
    """`GET /crm/v3/objects/deals`, with `archived=true` those that were deleted."""
    asked = request.query_params
    is_archived = asked.get("archived") == "true"
    rows = list((store.archived if is_archived else store.objects["deals"]).values())
    after, limit = int(asked.get("after") or 0), int(asked.get("limit") or 10)
    names = asked.get("properties", "").split(",")
    page = [{**shown(row, names), "archived": is_archived} for row in rows[after : after + limit]]
    for each, row in zip(page, rows[after : after + limit], strict=True):
        if is_archived:
            each["archivedAt"] = row["archivedAt"]
    answer: Row = {"results": page}
    if after + limit < len(rows):
        answer["paging"] = {"next": {"after": str(after + limit)}}
    return JSONResponse(answer)


async def change_deal(request: Request, store: HubSpotStore, body: Row) -> Response:
    """`PATCH /crm/v3/objects/deals/{id}`"""
    return JSONResponse(shown(store.update("deals", request.path_params["id"], body["properties"]), body["properties"]))


async def archive_deal(request: Request, store: HubSpotStore, _body: Row) -> Response:
    """`DELETE /crm/v3/objects/deals/{id}`"""
    store.archive_deal(request.path_params["id"])
    return Response(status_code=204)


async def merge_deals(_request: Request, store: HubSpotStore, body: Row) -> Response:
    """`POST /crm/v3/objects/deals/merge`: both become a third one."""
    return JSONResponse(shown(store.merge_deals(body["primaryObjectId"], body["objectIdToMerge"]), None))


def with_history(row: Row, answered: Row, names: list[str]) -> Row:
    """The answer of a row with every value that these properties had, the newest first."""
    history = {name: row["history"].get(name, [])[::-1] for name in names}
    return {**answered, "propertiesWithHistory": history} if names else answered


def check_history(inputs: list[Row], names: list[str]) -> None:
    """Raises `RefusedBatch` for more than 50 objects with history."""
    if names and len(inputs) > WITH_HISTORY:
        message = f"A batch with history has {WITH_HISTORY} inputs at most."
        raise answers.RefusedBatch(answers.error(400, "VALIDATION_ERROR", message))


def _matches(held: Row, condition: Row) -> bool:
    value: Any = held.get(condition["propertyName"])
    match condition["operator"]:
        case "HAS_PROPERTY":
            return bool(value)
        case "GTE":
            return bool(value) and _milliseconds(value) >= int(condition["value"])
        case other:
            raise Missing(f"operator {other}")


def _milliseconds(said: str) -> int:
    return round(datetime.fromisoformat(said).timestamp() * 1000)

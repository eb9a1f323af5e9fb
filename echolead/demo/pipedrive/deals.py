"""Deals of the demo Pipedrive: lists by time of change, changelogs, stages and pipelines."""

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from echolead.demo.pipedrive.answers import succeeded
from echolead.demo.pipedrive.store import PipedriveStore, Record

FIRST_STATUSES = "open,won,lost"


async def list_stages(_request: Request, store: PipedriveStore, _body: Record) -> Response:
    """`GET /api/v2/stages`"""
    return succeeded(list(store.stages.values()), additional_data={"next_cursor": None})


async def list_pipelines(_request: Request, store: PipedriveStore, _body: Record) -> Response:
    """`GET /api/v2/pipelines`"""
    ids = sorted({stage["pipeline_id"] for stage in store.stages.values()})
    pipelines = [{"id": each, "name": f"Pipeline {each}"} for each in ids]
    return succeeded(pipelines, additional_data={"next_cursor": None})


async def create_deal(_request: Request, store: PipedriveStore, body: Record) -> Response:
    """`POST /api/v2/deals`"""
    return succeeded(store.create_deal(body), 201)


async def change_deal(request: Request, store: PipedriveStore, body: Record) -> Response:
    """`PATCH /api/v2/deals/{id}`"""
    return succeeded(store.update_deal(request.path_params["id"], body))


async def delete_deal(request: Request, store: PipedriveStore, _body: Record) -> Response:
    """`DELETE /api/v2/deals/{id}`"""
    store.delete_deal(request.path_params["id"])
    return succeeded({"id": request.path_params["id"]})


async def list_deals(request: Request, store: PipedriveStore, _body: Record) -> Response:
    """`GET /api/v2/deals`, `/api/v2/deals/archived`: of a person, or those changed since a time, from the store."""
    asked = request.query_params
    is_archived = request.url.path.endswith("archived")
    statuses = asked.get("status", FIRST_STATUSES).split(",")
    found = [each for each in store.deals.values() if each["is_archived"] == is_archived and each["status"] in statuses]
    if person := asked.get("person_id"):
        found = [each for each in found if each["person_id"] == int(person)]
    if since := asked.get("updated_since"):
        found = [each for each in found if _moment(each["update_time"]) >= _moment(since)]
    if by := asked.get("sort_by"):
        found.sort(key=lambda each: each[by], reverse=asked.get("sort_direction") == "desc")
    return _page(found, request)


async def list_changes(request: Request, store: PipedriveStore, _body: Record) -> Response:
    """`GET /v1/deals/{id}/changelog`: the newest first."""
    store.deal(request.path_params["id"])
    return _page(store.changelogs[request.path_params["id"]][::-1], request)


def _page(found: list[Any], request: Request) -> Response:
    first, limit = int(request.query_params.get("cursor") or 0), int(request.query_params.get("limit") or 100)
    following = str(first + limit) if first + limit < len(found) else None
    return succeeded(found[first : first + limit], additional_data={"next_cursor": following})


def _moment(said: str) -> datetime:
    return datetime.fromisoformat(said)

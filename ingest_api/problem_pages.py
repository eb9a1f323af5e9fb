"""`/problems/{name}`: what a problem document's `type` leads to."""

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from ingest_api.problems import NOT_FOUND, PROBLEM_TYPES, Problem

BY_NAME = {kind.name: kind for kind in PROBLEM_TYPES}


def router() -> APIRouter:
    """One short page for each problem type."""
    routes = APIRouter(tags=["problems"])

    @routes.get("/problems/{name}", summary="What a problem type means", response_class=PlainTextResponse)
    async def problem_page(name: str) -> PlainTextResponse:
        """The title, status, and what to do."""
        kind = BY_NAME.get(name)
        if kind is None:
            raise Problem(NOT_FOUND, f"There is no problem type {name!r}.")
        return PlainTextResponse(f"{kind.title} ({kind.status})\n\n{kind.advice}\n")

    return routes

"""`/problems/{name}`: what a problem document's `type` leads to."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import PlainTextResponse

from ingest_api.http.problems import NOT_FOUND, PROBLEM_TYPES, Problem, ProblemType
from ingest_api.openapi.problems import problem_responses

BY_NAME = {kind.name: kind for kind in PROBLEM_TYPES}


def router() -> APIRouter:
    """One short page for each problem type."""
    routes = APIRouter(tags=["problems"])

    @routes.get(
        "/problems/{name}",
        summary="What a problem type means",
        response_class=PlainTextResponse,
        responses={200: {"content": {"text/plain": {"example": problem_text(NOT_FOUND)}}}},
        openapi_extra={"responses": problem_responses(NOT_FOUND)},
    )
    async def problem_page(name: Annotated[str, Path(examples=[NOT_FOUND.name])]) -> PlainTextResponse:
        """The title, status, and what to do."""
        kind = BY_NAME.get(name)
        if kind is None:
            raise Problem(NOT_FOUND, f"There is no problem type {name!r}.")
        return PlainTextResponse(problem_text(kind))

    return routes


def problem_text(kind: ProblemType) -> str:
    """The page of one type."""
    return f"{kind.title} ({kind.status})\n\n{kind.advice}\n"

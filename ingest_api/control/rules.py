"""A tenant's rules over leads: read, try, put in force, and go back."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from echolead.operational import control_tasks
from echolead.operational.lead_rules import (
    RuleChanges,
    RuleVersion,
    SameRules,
    apply_rules,
    get_rules,
    list_versions,
    revert_rules,
    rules_trial,
)
from echolead.rules.document import MAX_CHARACTERS
from ingest_api.control.answers import (
    ControlBody,
    Cursor,
    ListPage,
    Moment,
    PageSize,
    View,
    after,
    answer,
    page,
)
from ingest_api.control.call import Call, Calling, operation
from ingest_api.control.once import once
from ingest_api.control.tasks import TaskView, task_answer
from ingest_api.http.problems import INVALID_REQUEST, Problem

PATH = "/v1/tenants/{tenant_id}/rules"
SOURCE = "rules:\n  - id: from-the-city\n    when: {fact: lead.city, eq: Curitiba}\n    then: [{points: 10}]\n"
Source = Annotated[
    str,
    Field(min_length=1, max_length=MAX_CHARACTERS, description="YAML: docs/reference/rules.md", examples=[SOURCE]),
]
Reason = Annotated[str, Field(min_length=1, max_length=1000, examples=["Leads from the city buy more often"])]
Version = Annotated[int, Field(ge=0, description="0 is the default set.", examples=[0])]

routes = APIRouter(tags=["rules"])


class RuleVersionLine(View):
    """A version in a list, and the ids of the rules it changed."""

    version: Version
    author: str
    reason: str
    created_at: Moment | None
    added: list[str]
    removed: list[str]
    changed: list[str]


class RuleSetView(View):
    """A version of the rules: as written, as read, and compiled. `created_at` is null for the default set."""

    version: Version
    source: str
    document: dict[str, Any]
    rules: list[dict[str, Any]]
    author: str
    reason: str
    created_at: Moment | None


class RulesToApply(ControlBody):
    """Rules to put in force."""

    source: Source
    reason: Reason


class RulesToTry(ControlBody):
    """Rules to try over the leads with events received in the last days."""

    source: Source
    days: Annotated[int, Field(ge=1, le=3660)] = 90


class Reversion(ControlBody):
    """An earlier version to put in force again."""

    version: Version
    reason: Reason


@routes.get(PATH, summary="Rules in force", response_model=RuleSetView, **operation("rules.read", versioned=True))
def show(
    call: Calling,
    version: Annotated[int | None, Query(ge=0, description="Another version; 0: the default set.")] = None,
) -> Response:
    """The rules in force, or another version. The ETag is for `If-Match` of the next edit."""
    with call.session() as session:
        return _shown(get_rules(session, call.tenant_id, version))


@routes.get(f"{PATH}/versions", summary="Versions", response_model=ListPage[RuleVersionLine], **operation("rules.read"))
def versions(call: Calling, limit: PageSize = 50, cursor: Cursor = None) -> Response:
    """The versions, newest first: who made them, why, and which rules they changed."""
    before = after(call, cursor, int)
    with call.session() as session:
        rows = list_versions(session, call.tenant_id, before=before, limit=limit + 1)
    return answer(page(call, rows, limit, lambda row: _line(*row), lambda row: [row[0].version]))


@routes.put(PATH, summary="Put rules in force", response_model=RuleSetView, **operation("rules.apply", edits=True))
def apply(call: Calling, body: RulesToApply) -> Response:
    """A new version, from which all leads of the tenant are evaluated anew. `If-Match` has the version that was edited.

    The same text as in force makes no version.
    """
    base = _edited(call)
    with call.session() as session:
        try:
            made = apply_rules(
                session, call.tenant_id, body.source, actor=call.actor, reason=body.reason, base_version=base
            )
        except SameRules:
            made = get_rules(session, call.tenant_id)
        return _shown(made)


@routes.post(
    f"{PATH}/reversions",
    summary="Go back to a version",
    response_model=RuleSetView,
    **operation("rules.apply", edits=True),
)
def revert(call: Calling, body: Reversion) -> Response:
    """Put an earlier version in force again, as a new one. `If-Match` has the version in force."""
    base = _edited(call)
    return once(
        call,
        lambda session: _shown(
            revert_rules(session, call.tenant_id, body.version, actor=call.actor, reason=body.reason, base_version=base)
        ),
    )


@routes.post(f"{PATH}/trials", summary="Try rules", status_code=202, response_model=TaskView, **operation("rules.try"))
def try_(call: Calling, body: RulesToTry) -> Response:
    """A task that finds what the rules would change: how many leads in what, with examples. Nothing changes."""
    return once(
        call,
        lambda session: task_answer(
            control_tasks.ask(
                session,
                call.tenant_id,
                "rules_trial",
                rules_trial(session, call.tenant_id, body.source, body.days),
                actor=call.actor,
            )
        ),
    )


def _edited(call: Call) -> int:
    if not call.base.isdecimal():
        raise Problem(INVALID_REQUEST, "header.if-match: send the ETag of the rules, as the GET answered it.")
    return int(call.base)


def _shown(found: RuleVersion) -> Response:
    return answer(RuleSetView.model_validate(found), version=str(found.version))


def _line(version: RuleVersion, changed: RuleChanges) -> RuleVersionLine:
    return RuleVersionLine(
        version=version.version,
        author=version.author,
        reason=version.reason,
        created_at=version.created_at,
        **vars(changed),
    )

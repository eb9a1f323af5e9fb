"""A tenant's own channels, and the hosts that are no source."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from echolead.operational import channel_rules
from echolead.operational.channel_rules import MAX_CONDITIONS, described
from ingest_api.control.answers import ControlBody, ListPage, View, answer, nothing
from ingest_api.control.call import Call, Calling, operation
from ingest_api.control.edits import check_base, check_line, content_version, lock_for_edit
from ingest_api.control.once import once

RULES = "/v1/tenants/{tenant_id}/channel-rules"
REFERRERS = "/v1/tenants/{tenant_id}/excluded-referrers"

routes = APIRouter(tags=["settings"])


class ChannelRuleView(View):
    """A rule that names the channel of arrivals; rules are tried in the order of their positions."""

    position: int
    channel: str
    conditions: list[str]


class NewChannelRule(ControlBody):
    """A rule: all conditions have to hold. At the end without a position."""

    channel: Annotated[str, Field(min_length=1, max_length=64, examples=["Partners"])]
    conditions: Annotated[
        list[str], Field(min_length=1, max_length=MAX_CONDITIONS, examples=[["source equals parceiro"]])
    ]
    position: Annotated[int | None, Field(ge=1, le=channel_rules.MAX_RULES)] = None


class ExcludedHost(ControlBody):
    """A host that is no source, nor are those below it."""

    host: Annotated[str, Field(min_length=1, max_length=253, examples=["pay.example"])]


@routes.get(
    RULES,
    summary="Channel rules",
    response_model=ListPage[ChannelRuleView],
    **operation("settings.read", versioned=True),
)
def list_(call: Calling) -> Response:
    """The tenant's own channels in the order in which they are tried, in one page; those of everyone come after."""
    with call.session() as session:
        return _shown(session, call)


@routes.post(
    RULES,
    summary="Add a channel rule",
    status_code=201,
    response_model=ListPage[ChannelRuleView],
    **operation("settings.change", edits=True),
)
def add(call: Calling, body: NewChannelRule) -> Response:
    """Add a rule; those from its position on move one place. Arrivals from then on are named by it, earlier ones by a
    replay. Answers all rules.
    """

    def work(session: Session) -> Response:
        _check(session, call)
        channel_rules.add_channel_rule(session, call.tenant_id, **body.model_dump(), actor=call.actor)
        return _shown(session, call, 201)

    return once(call, work)


@routes.delete(
    f"{RULES}/{{position}}",
    summary="Remove a channel rule",
    response_model=ListPage[ChannelRuleView],
    **operation("settings.change", edits=True),
)
def remove(call: Calling, position: Annotated[int, Path(ge=1, le=channel_rules.MAX_RULES)]) -> Response:
    """Remove the rule at this position; those behind it move up. Answers the others."""
    with call.session() as session:
        _check(session, call)
        channel_rules.remove_channel_rule(session, call.tenant_id, position, actor=call.actor)
        return _shown(session, call)


@routes.get(
    REFERRERS,
    summary="Excluded referrers",
    response_model=ListPage[ExcludedHost],
    **operation("settings.read", versioned=True),
)
def referrers(call: Calling) -> Response:
    """The hosts that are no source, in one page. The ETag is for `If-Match` of a removal."""
    with call.session() as session:
        hosts = _excluded(session, call.tenant_id)
        items = [ExcludedHost(host=host) for host in hosts]
        return answer(ListPage[ExcludedHost](items=items), version=content_version(hosts))


@routes.post(
    REFERRERS,
    summary="Exclude a referrer",
    status_code=201,
    response_model=ExcludedHost,
    **operation("settings.change"),
)
def exclude(call: Calling, body: ExcludedHost) -> Response:
    """Let a host be no source; adding it again is not an error."""
    return once(
        call,
        lambda session: answer(
            ExcludedHost(host=channel_rules.exclude_referrer(session, call.tenant_id, body.host, actor=call.actor)),
            201,
        ),
    )


@routes.delete(
    f"{REFERRERS}/{{host}}",
    summary="Include a referrer",
    status_code=204,
    **operation("settings.change", edits=True),
)
def include(call: Calling, host: str) -> Response:
    """Let the host be a source again."""
    with call.session() as session:
        check_line(session, call, "The excluded referrers", "excluded_referrer.", _excluded, {host: None})
        channel_rules.include_referrer(session, call.tenant_id, host, actor=call.actor)
        return nothing(version=content_version(_excluded(session, call.tenant_id)))


def _excluded(session: Session, tenant_id: str) -> dict[str, str]:
    return {host: host for host in channel_rules.list_excluded_referrers(session, tenant_id)}


def _views(session: Session, call: Call) -> list[ChannelRuleView]:
    return [
        ChannelRuleView(position=rule.position, channel=rule.channel, conditions=described(rule))
        for rule in channel_rules.list_channel_rules(session, call.tenant_id)
    ]


def _check(session: Session, call: Call) -> None:
    lock_for_edit(session, call)
    views = _views(session, call)
    check_base(session, call, "The channel rules", "channel_rule.", _version(views), {}, {})


def _version(views: list[ChannelRuleView]) -> str:
    return content_version([view.model_dump() for view in views])


def _shown(session: Session, call: Call, status: int = 200) -> Response:
    views = _views(session, call)
    return answer(ListPage[ChannelRuleView](items=views), status, version=_version(views))

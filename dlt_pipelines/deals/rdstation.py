"""RD Station CRM: deals by their time of change, with the stages of all pipelines.

Sources: developers.rdstation.com, CRM v2 (introduction: pages, the first 10,000 records of a list, dates in UTC; RDQL:
`updated_at:>="2026-03-01 12:00:00"`; pipelines and their stages). It has no history of stages, so the states that pulls
see are the history; it lists no deleted deals, names no currency, and merges none.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from dlt_pipelines.deals.records import (
    Ask,
    DealRecord,
    DealState,
    Known,
    PipelineStage,
    RecordPage,
    UnreadableRecord,
    moment,
    parts,
    text,
    time_text,
)
from dlt_pipelines.deals.stages import changed_stages

LISTED = 100
MOST = 10_000
"""Records that a list gives: of more, none is in any further page."""
GIVEN_AT_ONCE = 500
FIRST = datetime(2008, 1, 1, tzinfo=UTC)
"""Before RD Station: no deal is older."""
STATUSES: Mapping[str, Literal["open", "won", "lost"]] = {"won": "won", "lost": "lost"}


class RDStationCrmDeals:
    """The deals of one account of RD Station CRM."""

    async def pages(self, ask: Ask, known: Known, now: datetime) -> AsyncIterator[RecordPage]:
        """Stages, then deals by their time of change."""
        stages = await _stages(ask)
        yield changed_stages(stages, known, now)
        pipelines = {stage.stage_id: stage.pipeline_id for stage in stages}
        since = max(known.changed_since("deal"), FIRST)
        async for listed in _changed(ask, since):
            records = [_deal(each, pipelines) for each in listed]
            for part in parts(sorted(records, key=lambda record: record.version), GIVEN_AT_ONCE):
                yield list(part)


async def _stages(ask: Ask) -> list[PipelineStage]:
    found = []
    for pipeline in await _all(ask, "list pipelines", "pipelines"):
        found += [
            PipelineStage(
                pipeline_id=text(pipeline["id"]),
                pipeline_label=text(pipeline.get("name")),
                stage_id=text(stage["id"]),
                label=text(stage.get("name")),
                position=int(stage.get("order") or 0),
            )
            for stage in await _all(ask, "list stages", f"pipelines/{pipeline['id']}/stages")
        ]
    return found


async def _changed(ask: Ask, since: datetime, until: datetime | None = None) -> AsyncIterator[list[Any]]:
    """The deals changed from `since` on, the earlier ones first; in halves as long as a list is cut off."""
    span = f'updated_at:>="{since:%Y-%m-%d %H:%M:%S}"'
    if until is not None:
        span += f' updated_at:<="{until:%Y-%m-%d %H:%M:%S}"'
    found = await _all(ask, "list deals", "deals", {"filter": span})
    if len(found) < MOST:
        yield found
        return
    last = until or datetime.now(UTC)
    middle = since + (last - since) / 2
    if (last - since).total_seconds() < 2:
        raise UnreadableRecord(f"More than {MOST} deals were changed at {since}.")
    for begin, end in ((since, middle), (middle, until)):
        async for part in _changed(ask, begin, end):
            yield part


async def _all(ask: Ask, operation: str, path: str, params: Mapping[str, str] | None = None) -> list[Any]:
    found: list[Any] = []
    for number in range(1, MOST // LISTED + 1):
        of_page = {"page[number]": str(number), "page[size]": str(LISTED)}
        answer = await ask(operation, "GET", path, params={**(params or {}), **of_page})
        found += answer["data"]
        if len(answer["data"]) < LISTED:
            break
    return found


def _deal(each: Mapping[str, Any], pipelines: Mapping[str, str]) -> DealRecord:
    stage = text(each.get("stage_id"))
    state = DealState(
        pipeline_id=text(each.get("pipeline_id")) or pipelines.get(stage, ""),
        stage_id=stage,
        value=text(each.get("total_price"), 40),
        status=STATUSES.get(text(each.get("status")), "open"),
        created_at=time_text(each.get("created_at")),
        closed_at=time_text(each.get("closed_at")),
        lost_reason=text(each.get("lost_reason_id")),
        contact_ids=[text(contact) for contact in each.get("contact_ids") or ()],
    )
    return DealRecord("deal", text(each["id"]), moment(each["updated_at"]), state)

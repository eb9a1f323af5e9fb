"""Pipedrive: deals by their time of change, deleted and archived ones among them, each with its changelog.

Sources: API v2 (deals with `updated_since`, `sort_by`, `status`; deals/archived; stages, pipelines, persons by `ids`,
dealFields, personFields), API v1 (deals/{id}/changelog, newest first). Deals stay in the list as `deleted` for 30 days.
A merged deal is deleted, and nothing says which one it became part of; a merged person's deals name the survivor.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from dlt_pipelines.deals.records import (
    Ask,
    ContactState,
    DealRecord,
    DealState,
    Known,
    PipelineStage,
    RecordKind,
    RecordPage,
    StageEntry,
    moment,
    parts,
    text,
    time_text,
)
from dlt_pipelines.deals.stages import changed_stages

LISTED = 100
LIST_PAGES = 1000
CHANGELOG_PAGES = 20
"""Of 100 changes each: a deal with more is read from its newest 2,000."""
KEY_NAME = "EchoLead: id"
"""What the deliveries call the field with the id of a lead."""
LISTS: Mapping[RecordKind, str] = {"deal": "api/v2/deals", "archived": "api/v2/deals/archived"}
STATUSES: Mapping[str, Literal["open", "won", "lost"]] = {"open": "open", "won": "won", "lost": "lost"}


class PipedriveDeals:
    """The deals of one Pipedrive account."""

    async def pages(self, ask: Ask, known: Known, now: datetime) -> AsyncIterator[RecordPage]:
        """Stages, then deals by their time of change with the persons they name, the archived ones last."""
        stages = await _stages(ask)
        yield changed_stages(stages, known, now)
        # Stages that are deleted have their pipeline in what raw knows.
        places = (record_id.partition("/") for record_id in known.payloads)
        pipelines = {stage: pipeline for pipeline, _, stage in places}
        pipelines |= {stage.stage_id: stage.pipeline_id for stage in stages}
        keys = {kind: await _key(ask, kind) for kind in ("deal", "person")}
        for kind, path in LISTS.items():
            async for listed in _changed(ask, path, known.changed_since(kind)):
                new = [each for each in listed if not known.has(kind, text(each["id"]), moment(each["update_time"]))]
                page: RecordPage = [await _deal(ask, kind, each, keys["deal"], pipelines) for each in new]
                yield page + await _persons(ask, new, keys["person"])


async def _stages(ask: Ask) -> list[PipelineStage]:
    labels = {text(each["id"]): text(each["name"]) for each in await _all(ask, "list pipelines", "api/v2/pipelines")}
    return [
        PipelineStage(
            pipeline_id=text(stage["pipeline_id"]),
            pipeline_label=labels.get(text(stage["pipeline_id"]), ""),
            stage_id=text(stage["id"]),
            label=text(stage["name"]),
            position=int(stage.get("order_nr") or 0),
        )
        for stage in await _all(ask, "list stages", "api/v2/stages")
        if not stage.get("is_deleted")
    ]


async def _key(ask: Ask, kind: str) -> str:
    """The code of the field with our id, '' where there is none."""
    fields = await _all(ask, f"list fields of {kind}", f"api/v2/{kind}Fields")
    return next((text(each["field_code"]) for each in fields if each["field_name"] == KEY_NAME), "")


async def _all(ask: Ask, operation: str, path: str) -> list[Any]:
    found: list[Any] = []
    async for page in _paged(ask, operation, path, {"limit": str(LISTED)}):
        found += page
    return found


async def _paged(ask: Ask, operation: str, path: str, params: Mapping[str, str]) -> AsyncIterator[list[Any]]:
    cursor = ""
    for _ in range(LIST_PAGES):
        answer = await ask(operation, "GET", path, params={**params, **({"cursor": cursor} if cursor else {})})
        yield answer["data"] or []
        cursor = text((answer.get("additional_data") or {}).get("next_cursor"), 2000)
        if not cursor:
            return


async def _changed(ask: Ask, path: str, since: datetime) -> AsyncIterator[list[Any]]:
    params = {
        "updated_since": since.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "sort_by": "update_time",
        "sort_direction": "asc",
        "status": "open,won,lost,deleted",
        "limit": str(LISTED),
    }
    async for page in _paged(ask, "list deals", path, params):
        yield page


async def _deal(
    ask: Ask, kind: RecordKind, each: Mapping[str, Any], key: str, pipelines: Mapping[str, str]
) -> DealRecord:
    is_deleted = bool(each.get("is_deleted")) or each.get("status") == "deleted"
    person = each.get("person_id")
    state = DealState(
        pipeline_id=text(each.get("pipeline_id")),
        stage_id=text(each.get("stage_id")),
        value=text(each.get("value"), 40),
        currency=text(each.get("currency"), 3),
        status=STATUSES.get(text(each.get("status")), "open"),
        created_at=time_text(each.get("add_time")),
        closed_at=time_text(each.get("close_time") or each.get("won_time") or each.get("lost_time")),
        lost_reason=text(each.get("lost_reason")),
        lead_key=text((each.get("custom_fields") or {}).get(key)) if key else "",
        contact_ids=[text(person)] if person else [],
        is_deleted=is_deleted,
        entries=() if is_deleted else await _entries(ask, each, pipelines),
    )
    return DealRecord(kind, text(each["id"]), moment(each["update_time"]), state)


async def _entries(ask: Ask, each: Mapping[str, Any], pipelines: Mapping[str, str]) -> list[StageEntry]:
    """The stage it was made in, then each change; a stage that is deleted has no pipeline any more."""
    path, cursor = f"v1/deals/{each['id']}/changelog", ""
    changes: list[Mapping[str, Any]] = []
    for _ in range(CHANGELOG_PAGES):
        params = {"limit": str(LISTED), **({"cursor": cursor} if cursor else {})}
        answer = await ask("read changelog", "GET", path, params=params)
        changes += [change for change in answer["data"] or () if change["field_key"] == "stage_id"]
        cursor = text((answer.get("additional_data") or {}).get("next_cursor"), 2000)
        if not cursor:
            break
    changes.sort(key=lambda change: moment(change["time"]))
    first = text(changes[0]["old_value"]) if changes else text(each.get("stage_id"))
    told = [(first, each.get("add_time")), *((text(change["new_value"]), change["time"]) for change in changes)]
    return [StageEntry(pipelines.get(stage, ""), stage, time_text(at)) for stage, at in told if stage]


async def _persons(ask: Ask, deals: Sequence[Mapping[str, Any]], key: str) -> RecordPage:
    """The persons of these deals: which lead each is, as our field says."""
    ids = sorted({text(each["person_id"]) for each in deals if each.get("person_id")}) if key else []
    found: RecordPage = []
    for part in parts(ids, LISTED):
        params = {"ids": ",".join(part), "custom_fields": key, "limit": str(LISTED)}
        async for page in _paged(ask, "list persons", "api/v2/persons", params):
            for each in page:
                state = ContactState(text((each.get("custom_fields") or {}).get(key)))
                found.append(DealRecord("contact", text(each["id"]), moment(each["update_time"]), state))
    return found

"""HubSpot: deals by their search, each with the history of its stage and its contacts; archived deals; merged contacts.

Sources: developers.hubspot.com, CRM search (10,000 results a search, 200 a page), Deals batch read (50 with history),
Associations v4, Pipelines, "archived" of the list of deals. A merged deal is in `hs_merged_object_ids` of its survivor;
a merged contact is there or in `hs_calculated_merged_vids`, and one of them may lack what the other has.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from dlt_pipelines.deals.records import (
    ArchiveState,
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

SEARCHED = 100
READ_AT_ONCE = 50
SEARCH_LIMIT = 10_000
ARCHIVE_PAGES = 200
"""The archive holds what was deleted in 90 days: 20,000 deals at most are compared."""
CHANGED = {"deals": "hs_lastmodifieddate", "contacts": "lastmodifieddate"}
RECORD_KINDS: Mapping[str, RecordKind] = {"deals": "deal", "contacts": "merge"}
KEY = "echolead_id"
MERGED = ("hs_merged_object_ids", "hs_calculated_merged_vids")
DEAL = (
    "pipeline",
    "dealstage",
    "amount",
    "deal_currency_code",
    "createdate",
    "closedate",
    "closed_lost_reason",
    "hs_lastmodifieddate",
    KEY,
    *MERGED,
)


class HubSpotDeals:
    """The deals of one HubSpot account."""

    async def pages(self, ask: Ask, known: Known, now: datetime) -> AsyncIterator[RecordPage]:
        """Stages, then deals with the contacts they name, then merged contacts, then what the archive says."""
        yield changed_stages(await _stages(ask), known, now)
        async for found in _changed(ask, "deals", known, []):
            for part in parts(found, READ_AT_ONCE):
                yield await _read(ask, [each["id"] for each in part])
        merged = [{"propertyName": MERGED[0], "operator": "HAS_PROPERTY"}]
        async for found in _changed(ask, "contacts", known, merged):
            yield [_contact("merge", each) for each in found]
        yield await _archive(ask, known, now)


async def _stages(ask: Ask) -> list[PipelineStage]:
    answer = await ask("list pipelines", "GET", "crm/v3/pipelines/deals")
    return [
        PipelineStage(
            pipeline_id=text(pipeline["id"]),
            pipeline_label=text(pipeline["label"]),
            stage_id=text(stage["id"]),
            label=text(stage["label"]),
            position=int(stage["displayOrder"]),
            outcome=_outcome(stage.get("metadata") or {}),
        )
        for pipeline in answer["results"]
        for stage in pipeline["stages"]
    ]


def _outcome(metadata: Mapping[str, Any]) -> Any:
    if str(metadata.get("isClosed")).lower() != "true":
        return ""
    return "won" if float(metadata.get("probability") or 0) >= 1 else "lost"


async def _changed(ask: Ask, kind: str, known: Known, conditions: list[Any]) -> AsyncIterator[list[Any]]:
    """Objects that changed and that raw does not have, oldest change first.

    Behind 10,000 results a search gives an error: the next one begins at the last time that was seen.
    """
    changed, record_kind = CHANGED[kind], RECORD_KINDS[kind]
    since, after = known.changed_since(record_kind), ""
    while True:
        filters = [
            {"propertyName": changed, "operator": "GTE", "value": str(int(since.timestamp() * 1000))},
            *conditions,
        ]
        body = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": changed, "direction": "ASCENDING"}],
            "properties": [changed, *((KEY, *MERGED) if kind == "contacts" else ())],
            "limit": SEARCHED,
            **({"after": after} if after else {}),
        }
        answer = await ask(f"search {kind}", "POST", f"crm/v3/objects/{kind}/search", body=body)
        results = answer["results"]
        new = [each for each in results if not known.has(record_kind, each["id"], _version(each, changed))]
        if new:
            yield new
        after = str(((answer.get("paging") or {}).get("next") or {}).get("after") or "")
        if not after:
            return
        if int(after) + SEARCHED > SEARCH_LIMIT:
            last = _version(results[-1], changed)
            if last == since:
                return  # more than a search gives changed within a millisecond: the rest comes with its next change
            since, after = last, ""


def _version(each: Mapping[str, Any], changed: str) -> datetime:
    return moment(each["properties"].get(changed) or each["updatedAt"])


async def _read(ask: Ask, ids: Sequence[str]) -> RecordPage:
    """These deals with their history and contacts; what was merged or deleted since the search is not among them."""
    body = {
        "properties": list(DEAL),
        "propertiesWithHistory": ["dealstage", "pipeline"],
        "inputs": [{"id": each} for each in ids],
    }
    deals = (await ask("read deals", "POST", "crm/v3/objects/deals/batch/read", body=body))["results"]
    of_deal = await _contacts_of(ask, [each["id"] for each in deals])
    records = [_deal(each, of_deal.get(each["id"], [])) for each in deals]
    named = sorted({contact for contacts in of_deal.values() for contact in contacts})
    for part in parts(named, SEARCHED):
        asked = {"properties": [KEY, *MERGED], "propertiesWithHistory": [], "inputs": [{"id": each} for each in part]}
        answer = await ask("read contacts", "POST", "crm/v3/objects/contacts/batch/read", body=asked)
        records += [_contact("contact", each) for each in answer["results"]]
    return records


async def _contacts_of(ask: Ask, ids: Sequence[str]) -> dict[str, list[str]]:
    if not ids:
        return {}
    body = {"inputs": [{"id": each} for each in ids]}
    answer = await ask("list contacts", "POST", "crm/v4/associations/deals/contacts/batch/read", body=body)
    return {text(each["from"]["id"]): [text(to["toObjectId"]) for to in each["to"]] for each in answer["results"]}


def _deal(each: Mapping[str, Any], contact_ids: Sequence[str]) -> DealRecord:
    held = each["properties"]
    state = DealState(
        pipeline_id=text(held.get("pipeline")),
        stage_id=text(held.get("dealstage")),
        value=text(held.get("amount"), 40),
        currency=text(held.get("deal_currency_code"), 3),
        created_at=time_text(held.get("createdate") or each["createdAt"]),
        closed_at=time_text(held.get("closedate")),
        lost_reason=text(held.get("closed_lost_reason")),
        lead_key=text(held.get(KEY)),
        contact_ids=sorted(contact_ids),
        merged_ids=_merged(held),
        entries=_entries(each.get("propertiesWithHistory") or {}, text(held.get("pipeline"))),
    )
    return DealRecord("deal", text(each["id"]), _version(each, CHANGED["deals"]), state)


def _entries(history: Mapping[str, Any], pipeline_now: str) -> list[StageEntry]:
    """Each value that the stage had, with the pipeline that the deal was in then."""
    pipelines = sorted((moment(each["timestamp"]), text(each["value"])) for each in history.get("pipeline") or ())
    found = []
    for each in history.get("dealstage") or ():
        at = moment(each["timestamp"])
        # Stage and pipeline of one change may be written a moment apart.
        before = [pipeline for since, pipeline in pipelines if (since - at).total_seconds() <= 1]
        pipeline_id = before[-1] if before else (pipelines[0][1] if pipelines else pipeline_now)
        if each["value"]:
            found.append(StageEntry(pipeline_id, text(each["value"]), time_text(each["timestamp"])))
    return sorted(found, key=lambda entry: (entry.entered_at, entry.stage_id))


def _contact(kind: RecordKind, each: Mapping[str, Any]) -> DealRecord:
    held = each["properties"]
    version = moment(held.get(CHANGED["contacts"]) or each["updatedAt"])
    return DealRecord(kind, text(each["id"]), version, ContactState(text(held.get(KEY)), _merged(held)))


def _merged(held: Mapping[str, Any]) -> list[str]:
    """The ids in both lists; the second has them as `id:time`."""
    ids = [re.split("[:]", part)[0].strip() for name in MERGED for part in str(held.get(name) or "").split(";")]
    return sorted({each for each in ids if each})


async def _archive(ask: Ask, known: Known, now: datetime) -> RecordPage:
    """What the archive has that raw does not know as deleted; and what it has no more and is there again."""
    archived: dict[str, datetime] = {}
    after = ""
    for _ in range(ARCHIVE_PAGES):
        params = {"archived": "true", "limit": str(SEARCHED), "properties": KEY, **({"after": after} if after else {})}
        answer = await ask("list archived deals", "GET", "crm/v3/objects/deals", params=params)
        archived |= {text(each["id"]): moment(each.get("archivedAt") or now) for each in answer["results"]}
        after = str(((answer.get("paging") or {}).get("next") or {}).get("after") or "")
        if not after:
            break
    new = [DealRecord("archive", each, now, ArchiveState(True)) for each in sorted(archived.keys() - known.deleted)]
    restored: RecordPage = []
    for part in parts(sorted(set(known.deleted) - archived.keys()), READ_AT_ONCE):
        found = await _read(ask, part)  # one that is gone for good is not found
        there = [record.record_id for record in found if record.kind == "deal" and record.record_id in part]
        restored += [DealRecord("archive", each, now, ArchiveState(False)) for each in there]
        restored += found
    return new + restored

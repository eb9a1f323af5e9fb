"""Salesforce: opportunities by `SystemModstamp`, deleted ones too, with their history and the leads they come from.

Sources: REST API Developer Guide (Query, QueryAll, `nextRecordsUrl`), Object Reference (Opportunity, OpportunityStage,
OpportunityHistory, Lead.ConvertedOpportunityId). An org has one list of stages: it is one pipeline here. Orgs with
several currencies alone have `CurrencyIsoCode`. Opportunities are never merged; deleted ones are in the recycle bin for
15 days.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from dlt_pipelines.deals.records import (
    Ask,
    ContactState,
    DealRecord,
    DealState,
    Known,
    PipelineStage,
    RecordPage,
    StageEntry,
    moment,
    parts,
    text,
    time_text,
)
from dlt_pipelines.deals.stages import changed_stages

API = "services/data/v60.0"
PIPELINE = "opportunity"
KEY = "EchoLead_Id__c"
NAMED_AT_ONCE = 100
"""Ids in a query: its text is part of the address."""
MOST_ANSWERS = 1000
FIELDS = (
    "Id",
    "StageName",
    "Amount",
    "CreatedDate",
    "CloseDate",
    "IsClosed",
    "IsWon",
    "IsDeleted",
    "SystemModstamp",
)
CURRENCY = "CurrencyIsoCode"


class SalesforceDeals:
    """The opportunities of one org."""

    async def pages(self, ask: Ask, known: Known, now: datetime) -> AsyncIterator[RecordPage]:
        """Stages, then opportunities by their time of change with the leads they come from."""
        yield changed_stages(await _stages(ask), known, now)
        described = await ask("describe opportunity", "GET", f"{API}/sobjects/Opportunity/describe")
        has_currency = any(each["name"] == CURRENCY for each in described["fields"])
        fields = ", ".join((*FIELDS, *((CURRENCY,) if has_currency else ())))
        since = known.changed_since("deal").isoformat(timespec="milliseconds").replace("+00:00", "Z")
        changed = f"SELECT {fields} FROM Opportunity WHERE SystemModstamp >= {since} ORDER BY SystemModstamp, Id"  # noqa: S608
        async for found in _records(ask, "list opportunities", changed, path="queryAll"):
            new = [each for each in found if not known.has("deal", each["Id"], moment(each["SystemModstamp"]))]
            for part in parts(new, NAMED_AT_ONCE):
                yield await _read(ask, part)


async def _stages(ask: Ask) -> list[PipelineStage]:
    query = "SELECT ApiName, MasterLabel, SortOrder, IsClosed, IsWon, IsActive FROM OpportunityStage"
    found = [each async for page in _records(ask, "list stages", query) for each in page]
    return [
        PipelineStage(
            pipeline_id=PIPELINE,
            pipeline_label="Opportunities",
            stage_id=text(each["ApiName"]),
            label=text(each["MasterLabel"]),
            position=int(each["SortOrder"] or 1) - 1,
            outcome=("won" if each["IsWon"] else "lost") if each["IsClosed"] else "",
        )
        for each in found
        if each["IsActive"]
    ]


async def _records(ask: Ask, operation: str, query: str, path: str = "query") -> AsyncIterator[list[Any]]:
    answer = await ask(operation, "GET", f"{API}/{path}", params={"q": query})
    yield answer["records"]
    for _ in range(MOST_ANSWERS):
        if answer["done"]:
            return
        answer = await ask(operation, "GET", answer["nextRecordsUrl"])
        yield answer["records"]


async def _read(ask: Ask, opportunities: Sequence[Mapping[str, Any]]) -> RecordPage:
    ids = ", ".join(f"'{each['Id']}'" for each in opportunities)
    history = "SELECT OpportunityId, StageName, CreatedDate FROM OpportunityHistory"
    entries: dict[str, list[StageEntry]] = {}
    ordered = f"{history} WHERE OpportunityId IN ({ids}) ORDER BY CreatedDate, Id"
    async for page in _records(ask, "read history", ordered):
        for each in page:
            entry = StageEntry(PIPELINE, text(each["StageName"]), time_text(each["CreatedDate"]))
            entries.setdefault(each["OpportunityId"], []).append(entry)
    converted = f"SELECT Id, ConvertedOpportunityId, {KEY} FROM Lead WHERE ConvertedOpportunityId IN ({ids})"  # noqa: S608
    leads = [each async for page in _records(ask, "list converted leads", converted) for each in page]
    of_deal: dict[str, list[Any]] = {}
    for lead in leads:
        of_deal.setdefault(lead["ConvertedOpportunityId"], []).append(lead)
    records = [_deal(each, entries.get(each["Id"], []), of_deal.get(each["Id"], [])) for each in opportunities]
    versions = {each["Id"]: moment(each["SystemModstamp"]) for each in opportunities}
    return records + [
        DealRecord(
            "contact", lead["Id"], versions[lead["ConvertedOpportunityId"]], ContactState(text(lead.get(KEY)))
        )
        for lead in leads
    ]  # fmt: skip


def _deal(each: Mapping[str, Any], entries: Sequence[StageEntry], leads: Sequence[Mapping[str, Any]]) -> DealRecord:
    keys = sorted({text(lead.get(KEY)) for lead in leads if lead.get(KEY)})
    state = DealState(
        pipeline_id=PIPELINE,
        stage_id=text(each["StageName"]),
        value=text(each.get("Amount"), 40),
        currency=text(each.get(CURRENCY), 3),
        status=("won" if each["IsWon"] else "lost") if each["IsClosed"] else "open",
        created_at=time_text(each["CreatedDate"]),
        # A day without a time: at noon it is the same day in every tenant's zone of the Americas and Europe.
        closed_at=f"{each['CloseDate']}T12:00:00.000Z" if each.get("CloseDate") else "",
        lead_key=keys[0] if keys else "",
        contact_ids=sorted(lead["Id"] for lead in leads),
        is_deleted=bool(each["IsDeleted"]),
        entries=() if each["IsDeleted"] else entries,
    )
    return DealRecord("deal", text(each["Id"]), moment(each["SystemModstamp"]), state)

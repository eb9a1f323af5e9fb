"""Salesforce: leads as Leads of an org. What it relies on is in docs/reference/salesforce.md."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import httpx

from reverse_etl.calls import Allowance, Calls, Reply
from reverse_etl.destination import Finding, Order, Outcome, Outcomes, Traits, bisected
from reverse_etl.destinations.salesforce import account, records, verdicts
from reverse_etl.destinations.salesforce.erasing import take_back
from reverse_etl.destinations.salesforce.fields import DEFAULT_MAPPING, RECORD, REQUIRED, Field
from reverse_etl.destinations.salesforce.twins import mark_twins
from reverse_etl.destinations.salesforce.verdicts import CONVERTED, ID_FIELD
from reverse_etl.destinations.salesforce.writing import Api, LeadRow, write
from reverse_etl.erased import ErasedRecords
from reverse_etl.errors import DeliveryFailed, Misconfigured, Mismatch, Rejected
from reverse_etl.lead import Delivered, DeliveryHistory, Lead
from reverse_etl.mapping import PropertyMap, Written
from reverse_etl.ownership import TickedOptions, changes
from reverse_etl.property_types import PropertyType, several
from reverse_etl.tokens import OAuth, client_credentials, refresh_token

API = "services/data/v60.0"
COLLECTION = 200
SYSTEM_FIELDS = ("Id", "IsConverted", "ConvertedContactId", "CreatedDate")
# Notes on the account and not on the lead: the first delivery names them.
NOT_WRITABLE = "not writable for this user, so that it is left out"
SAID_ONCE = ("the account has no such property.", "not writable for this user.")
# How long a creation may go on in an org whose external id does not keep a second one out.
SETTLE_SECONDS = 60.0


class SalesforceLeads:
    """Delivers leads to one org as Leads, matched on the external id `EchoLead_Id__c` = `lead_id`, then on the e-mail.

    Its own fields follow the lead. Salesforce's are filled where they are empty and changed where they hold what
    EchoLead wrote; what a person wrote stays. A converted lead is left alone.
    """

    traits = Traits(batch_size=COLLECTION, requests_per_second=10.0, concurrency=2)
    default_mapping = DEFAULT_MAPPING
    kept_kinds: ClassVar[tuple[str, ...]] = ("contact",)

    def __init__(
        self, configuration: Mapping[str, Any], secrets: Mapping[str, str], lead_url: Callable[[str], str]
    ) -> None:
        self._url = str(configuration["instance_url"]).rstrip("/")
        self._secrets = {"client_id": str(configuration["client_id"]), **secrets}
        self._lead_url = lead_url
        self._filler = str(configuration.get("filler") or "[not provided]")
        self._map = PropertyMap.of(str(configuration.get("mapping") or ""), DEFAULT_MAPPING)
        # Who is mapped as the owner is not to be replaced by a rule.
        assigns = bool(configuration.get("assignment_rule", True)) and "OwnerId" not in self._map.records[RECORD]
        allows = "true" if configuration.get("allow_duplicates", True) else "false"
        always = {"Sforce-Duplicate-Rule-Header": f"allowSave={allows}"}
        self._api = Api(
            path=API,
            creating={**always, "Sforce-Auto-Assign": "TRUE" if assigns else "FALSE"},
            updating={**always, "Sforce-Auto-Assign": "FALSE"},
        )
        size = int(configuration.get("batch_size") or COLLECTION)
        self.traits = replace(self.traits, batch_size=min(size, COLLECTION))
        self._fields: dict[str, Field] = {}
        self._is_outdated = False
        self._unwritable: set[str] = set()
        self._unnamed: list[str] = []

    @classmethod
    def of(cls, configuration: Mapping[str, Any], secrets: Mapping[str, str], lead_url: Callable[[str], str]) -> Self:
        """From a destination's configuration and secrets (echolead.operational.destination_kinds has their names).

        Raises `Misconfigured` naming what is missing, or what is wrong with the mapping.
        """
        missing = [key for key in ("instance_url", "client_id") if not configuration.get(key)]
        missing += [] if secrets.get("client_secret") else ["client_secret"]
        if missing:
            raise Misconfigured(f"The Salesforce destination lacks {', '.join(missing)}.")
        return cls(configuration, secrets, lead_url)

    def client(self, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        """A pool for the org's API. Triggers and flows of 200 leads take their time, so it may be silent for longer."""
        grant = refresh_token() if self._secrets.get("refresh_token") else client_credentials()
        return httpx.AsyncClient(
            base_url=f"{self._url}/",
            auth=OAuth(transport, f"{self._url}/services/oauth2/token", grant, self._secrets),
            headers={"User-Agent": "EchoLead"},
            timeout=httpx.Timeout(connect=5.0, read=18.0, write=10.0, pool=5.0),
            transport=transport,
        )

    def judge(self, answer: Reply) -> DeliveryFailed | None:
        """By Salesforce's error codes. A field that is not there any more makes the next delivery read the fields."""
        self._is_outdated |= verdicts.is_of_the_schema(answer)
        return verdicts.judge(answer)

    def allowance(self, headers: httpx.Headers) -> Allowance | None:
        """What is left of the day's calls."""
        return verdicts.allowance(headers)

    async def prepare(self, calls: Calls) -> None:
        """Read the fields of Lead that our user sees. Raises `Misconfigured` when the external id is not among them."""
        self._fields = await account.fields_of(calls, API)
        problem = account.problem_of_id(self._fields)
        if problem:
            raise Misconfigured(problem)
        is_unique = self._fields[ID_FIELD].is_unique
        self.traits = replace(self.traits, settle_seconds=0.0 if is_unique else SETTLE_SECONDS)
        self._unwritable.clear()
        self._unnamed = [f"{finding.subject}: {finding.detail}" for finding in self.left_out()]
        self._is_outdated = False

    async def preview(self, calls: Calls, lead: Lead, history: DeliveryHistory) -> Mapping[str, Written]:
        """The Lead's fields that our user may set in a new one, or change in a known one."""
        self._fields = await account.fields_of(calls, API)
        is_new = history.remote_id is None
        written = self._written(lead, is_new=is_new)
        return {RECORD: Written(self._settable(written.properties, is_new=is_new), written.notes)}

    def left_out(self) -> list[Finding]:
        """What our user does not see or may not write: by the description, and by what Salesforce refused since."""
        found = [each for each in self._map.findings(RECORD, self._types()) if each.state != "ok"]
        described = {each.subject for each in found}
        refused = [f"{RECORD} {name}" for name in sorted(self._unwritable)]
        return found + [Finding(name, "note", NOT_WRITABLE) for name in refused if name not in described]

    async def test(self, calls: Calls) -> list[Finding]:
        """The account's state: rights, fields, what is left of the day."""
        return await account.test(calls, API, self._map)

    async def setup(self, calls: Calls, is_dry_run: bool) -> list[Finding]:
        """Make the fields that are missing, and give our user the right to them."""
        return await account.setup(calls, API, is_dry_run=is_dry_run)

    async def deliver(self, orders: Sequence[Order]) -> Outcomes:
        """Create or update up to 200 leads: one look-up, one call for the new ones, one for the others."""
        if self._is_outdated:
            await self.prepare(Calls.shared([order.calls for order in orders]))
        outcomes = await bisected(orders, self._deliver)
        for order in orders:
            if isinstance(done := outcomes.get(order.delivery_id), Delivered):
                await mark_twins(order, done, self._api, self._fields)
        return outcomes

    async def verify(self, sent: Sequence[tuple[Order, Delivered]]) -> Mapping[Any, DeliveryFailed | None]:
        """Read the leads back in one call and compare what was sent."""
        orders = [order for order, _ in sent]
        ids = [delivered.remote_id for _, delivered in sent]
        held = await records.read(orders, ids, self._read_fields(), API)
        return {
            order.delivery_id: self._difference(order, delivered, record)
            for (order, delivered), record in zip(sent, held, strict=True)
        }

    async def take_back(self, order: Order, erased: ErasedRecords) -> None:
        """Empty the fields of ours that our user may change; a converted lead is changed by nobody any more."""
        if self._is_outdated:
            await self.prepare(order.calls)
        await take_back(order, erased, self._api, self._fields)

    async def _deliver(self, orders: Sequence[Order]) -> Outcomes:
        found = await records.find(orders, self._read_fields(), API)
        outcomes: dict[Any, Outcome] = {}
        rows: list[LeadRow] = []
        for order, match in zip(orders, found, strict=True):
            if match.record is not None and match.record.get("IsConverted"):
                outcomes[order.delivery_id] = _converted(match.record)
                continue
            row = self._row(order, match)
            if set(row.values) == {ID_FIELD} and match.record is not None and _has_id(match.record, order.lead):
                outcomes[order.delivery_id] = await self._delivered(row, str(row.record_id))
            else:
                rows.append(row)
        for some in ([row for row in rows if row.record_id is None], [row for row in rows if row.record_id]):
            results = await write(some, self._api, self._unwritable) if some else {}
            for place, result in results.items():
                row = some[place]
                done = await self._delivered(row, result) if isinstance(result, str) else result
                outcomes[row.order.delivery_id] = done
        return outcomes

    def _row(self, order: Order, match: records.Match) -> LeadRow:
        """What to write: all of a new lead, of a known one what differs and is ours to change."""
        lead, record = order.lead, match.record
        row = LeadRow(order, None if record is None else str(record["Id"]), {}, list(match.conflicts))
        written = self._written(lead, is_new=record is None)
        row.conflicts += [note for note in written.notes if not note.endswith(SAID_ONCE)]
        row.conflicts += self._unnamed
        self._unnamed = []
        if record is None:
            self._tick(row, written.properties, {}, self._sent(order))
            row.values = self._settable(written.properties, is_new=True)
            row.values.update({name: self._filler for name in REQUIRED if name not in row.values})
        else:
            row.ticked = TickedOptions(order.history.records, str(record["Id"]))
            row.values = self._changes(row, written.properties, record)
        row.values[ID_FIELD] = lead.lead_id
        return row

    def _changes(self, row: LeadRow, wanted: Mapping[str, Any], record: records.Record) -> dict[str, Any]:
        """What differs and is ours to change; what a person wrote, ticked or unticked stays, and is named."""
        sent = self._sent(row.order)
        ticked = self._tick(row, wanted, record, sent)

        def is_free(name: str) -> bool:
            return record.get(name) in (None, "") or (name in REQUIRED and record.get(name) == self._filler)

        found = changes(
            self._single(wanted),
            record,
            [self._single(each) for each in sent],
            own=[name for name, field in self._fields.items() if field.is_ours],
            is_same=lambda name, one, other: self._fields[name].holds(one, other),
            is_free=is_free,
        )
        row.conflicts += row.ticked.sentences
        row.conflicts += [
            f"{name} {wanted[name]} was not written: lead {record['Id']} has {record.get(name)}, not from EchoLead"
            for name in found.left
        ]
        return self._settable({**found.values, **ticked}, is_new=False)

    def _tick(
        self, row: LeadRow, wanted: Mapping[str, Any], record: records.Record, sent: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """The new values of the fields that hold several options, as far as they change."""
        changed: dict[str, Any] = {}
        for name in dict.fromkeys([*wanted, *(name for each in sent for name in each)]):
            type_, before = self._fields[name].type, [each[name] for each in sent if name in each]
            if type_.kind == "options":
                after = row.ticked.change(name, type_, record.get(name), wanted.get(name), before)
                changed |= {name: after or None} if after is not None else {}
        return changed

    def _single(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Without the fields that hold several options."""
        return {name: value for name, value in values.items() if self._fields[name].type.kind != "options"}

    def _sent(self, order: Order) -> list[Mapping[str, Any]]:
        return [self._written(lead, is_new=False).properties for lead in order.history.sent]

    def _settable(self, values: Mapping[str, Any], *, is_new: bool) -> dict[str, Any]:
        """Those that our user may set in a new Lead, or change in one that is there."""
        may = {name: each.is_createable if is_new else each.is_updateable for name, each in self._fields.items()}
        return {name: value for name, value in values.items() if may[name]}

    def _written(self, lead: Lead, *, is_new: bool) -> Written:
        """The lead's values as the org's fields take them."""
        written = self._map.written(RECORD, lead, self._types(), url=self._lead_url(lead.lead_id), is_new=is_new)
        usable = {name: value for name, value in written.properties.items() if name not in self._unwritable}
        return Written(usable, written.notes)

    def _types(self) -> dict[str, PropertyType]:
        return {name: field.type for name, field in self._fields.items()}

    async def _delivered(self, row: LeadRow, record_id: str) -> Delivered:
        await row.ticked.remember(row.order, record_id, row.values)
        conflicts = tuple(dict.fromkeys(row.conflicts))
        for conflict in conflicts:
            row.order.calls.note("leave as it is", "conflict", conflict)
        return Delivered(record_id, row.values, conflicts)

    def _difference(self, order: Order, delivered: Delivered, record: records.Record | None) -> DeliveryFailed | None:
        if record is None:
            return Mismatch(f"Lead {delivered.remote_id} is gone.")
        wanted = self._written(order.lead, is_new=False).properties
        ours = {name: value for name, value in wanted.items() if self._fields[name].is_ours}
        ticked = TickedOptions(order.history.records, str(record["Id"]))
        sent = delivered.fields or ticked.certain(ours, self._types())
        different = [
            name
            for name, value in sent.items()
            if name in self._fields and not self._holds(name, record.get(name), value)
        ]
        if different:
            return Mismatch(f"Lead {delivered.remote_id} differs from what was sent: {', '.join(different)}.")
        return None

    def _holds(self, name: str, held: Any, sent: Any) -> bool:
        """Whether it has the value that was sent; of several options, whether these are among those it has."""
        if self._fields[name].type.kind == "options" and sent:
            return set(several(sent)) <= set(several(held))
        return self._fields[name].holds(held, sent)

    def _read_fields(self) -> list[str]:
        """Those that are compared, as far as the org has them: reading one that it has not fails the whole call."""
        named = [*SYSTEM_FIELDS, *REQUIRED, "Email", ID_FIELD, *self._map.records[RECORD]]
        return [name for name in dict.fromkeys(named) if name in self._fields]


def _has_id(record: records.Record, lead: Lead) -> bool:
    return bool(record.get(ID_FIELD) == lead.lead_id)


def _converted(record: records.Record) -> Rejected:
    became = f" to contact {record['ConvertedContactId']}" if record.get("ConvertedContactId") else ""
    return Rejected(
        f"{CONVERTED}: lead {record['Id']} was converted{became}; Salesforce changes it no more.",
        status=400,
        code=CONVERTED,
    )

"""Pipedrive: leads as persons of an account, with a lead or a deal and a note. See docs/reference/pipedrive.md."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Self

import httpx

from reverse_etl.calls import TIMEOUT, Allowances, Calls, Reply
from reverse_etl.destination import Finding, OneByOne, Order, Traits
from reverse_etl.destinations.pipedrive import answers
from reverse_etl.destinations.pipedrive.companions import Opportunities, make_note
from reverse_etl.destinations.pipedrive.erasing import PipedriveErasing
from reverse_etl.destinations.pipedrive.fields import MAPPING, PipedriveFields
from reverse_etl.destinations.pipedrive.persons import CREATING, Persons, PersonWork
from reverse_etl.erased import ErasedRecords
from reverse_etl.errors import DeliveryFailed, Misconfigured, Mismatch, Rejected
from reverse_etl.lead import Delivered, DeliveryHistory, Lead
from reverse_etl.mapping import PropertyMap, Written

API = "https://api.pipedrive.com"
Makes = Literal["person", "lead", "deal"]


class Pipedrive(OneByOne):
    """Delivers leads to one Pipedrive account as persons, and makes a lead or a deal of each where that is wanted.

    Nothing is unique there. The id of a person is remembered; without it, it is found by our own field, the e-mail, or
    the phone number. What people wrote stays, and so do their addresses and numbers.
    """

    # The smallest plan may make 20 calls in two seconds, 10 of them searches. What was cut off may still be written
    # for a moment; then it is in the store, where it is looked for.
    traits = Traits(settle_seconds=2.0, requests_per_second=5.0, concurrency=2)
    default_mapping = MAPPING
    kept_kinds: ClassVar[tuple[str, ...]] = ("contact", "deal", "lead", "note", CREATING)

    def __init__(
        self,
        api_token: str,
        lead_url: Callable[[str], str],
        *,
        mapping: PropertyMap,
        base_url: str = API,
        makes: Makes = "person",
        stage_id: int | None = None,
    ) -> None:
        self._api_token = api_token
        self._base_url = base_url
        self._mapping = mapping
        self._stage_id = stage_id
        self._fields = PipedriveFields(has_deals=makes != "person")
        self._persons = Persons(self._fields, mapping, lead_url)
        self._opportunities = (
            None if makes == "person" else Opportunities(makes, self._fields, mapping, lead_url, stage_id)
        )

    @classmethod
    def of(cls, configuration: Mapping[str, Any], secrets: Mapping[str, str], lead_url: Callable[[str], str]) -> Self:
        """From a destination's configuration and its secret `api_token`.

        Raises `Misconfigured` naming what is missing.
        """
        if not secrets.get("api_token"):
            raise Misconfigured("The Pipedrive destination lacks api_token.")
        stage_id = configuration.get("stage_id")
        return cls(
            secrets["api_token"],
            lead_url,
            mapping=PropertyMap.of(str(configuration.get("mapping") or ""), MAPPING),
            base_url=str(configuration.get("base_url") or API),
            makes=configuration.get("makes") or "person",
            stage_id=int(stage_id) if stage_id else None,
        )

    def client(self, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        """A pool for the account's API."""
        return httpx.AsyncClient(
            base_url=self._base_url,
            headers={"x-api-token": self._api_token, "User-Agent": "EchoLead"},
            timeout=TIMEOUT,
            transport=transport,
        )

    def judge(self, answer: Reply) -> DeliveryFailed | None:
        """By the status, the reset of the limit, and the code of a plan's limit."""
        return answers.judge(answer)

    def allowance(self, headers: httpx.Headers) -> Allowances:
        """What is left of two seconds."""
        return answers.allowance(headers)

    async def prepare(self, calls: Calls) -> None:
        """Read the account's fields, and make those of ours that are missing.

        A user who may not make them leaves them out, but for the one with our id: without it, raises `Misconfigured`.
        """
        await self._fields.read(calls)
        try:
            await self._fields.make(calls)
        except (Misconfigured, Rejected):
            self._fields.check()
            calls.connection.breaker.succeeded()
        self._fields.check()
        await self._check_stage(calls)

    async def test(self, calls: Calls) -> list[Finding]:
        """The token, our key, each mapped field, and the stage of the deals."""
        await self._fields.read(calls)
        await self._check_stage(calls)
        return self._fields.findings(self._mapping)

    async def preview(self, calls: Calls, lead: Lead, history: DeliveryHistory) -> Mapping[str, Written]:
        """The person, and the lead or deal unless one was made."""
        await self._fields.read(calls)
        made = {"person": self._persons.written(lead, is_new=history.remote_id is None)}
        if self._opportunities is None or {"lead", "deal"} & history.records.keys():
            return made
        return {**made, "deal": self._opportunities.written(lead)}

    def left_out(self) -> list[Finding]:
        """What the account does not have, or holds a kind of value that is left to people."""
        return [each for each in self._fields.findings(self._mapping) if each.state != "ok"]

    async def setup(self, calls: Calls, is_dry_run: bool) -> list[Finding]:
        """Make our fields that are missing."""
        before = await self.test(calls)
        if is_dry_run:
            return before
        try:
            await self._fields.make(calls)
        except (Misconfigured, Rejected) as refused:
            calls.connection.breaker.succeeded()
            return [
                Finding(each.subject, "wrong", str(refused)) if each.state == "missing" else each for each in before
            ]
        missing = {each.subject for each in before if each.state == "missing"}
        after = self._fields.findings(self._mapping)
        return [Finding(each.subject, "made", each.detail) if each.subject in missing else each for each in after]

    async def deliver_one(self, order: Order) -> Delivered:
        """Create or update the person, then what goes with it. Raises `DeliveryFailed`."""
        await self._fields.read_again(order.calls)
        work = PersonWork(order)
        try:
            person_id = await self._persons.deliver(work)
            if self._opportunities is not None:
                await self._opportunities.make(work, person_id)
            await make_note(work, person_id)
        finally:
            conflicts = tuple(dict.fromkeys(work.conflicts))
            for conflict in conflicts:
                order.calls.note("leave as it is", "conflict", conflict)
        return Delivered(str(person_id), work.written, conflicts)

    async def verify_one(self, order: Order, delivered: Delivered) -> None:
        """Read the person back and compare what was sent, by the type of each field. Raises `Mismatch`."""
        person = await self._persons.read(PersonWork(order), delivered.remote_id)
        if person is None:
            raise Mismatch(f"Person {delivered.remote_id} is gone.")
        different = self._persons.differences(person, order, delivered.fields)
        if different:
            raise Mismatch(f"Person {delivered.remote_id} differs from what was sent: {', '.join(different)}.")

    async def take_back(self, order: Order, erased: ErasedRecords) -> None:
        """Empty our fields of persons, leads and deals, and delete our notes."""
        await self._fields.read_again(order.calls)
        await PipedriveErasing(self._fields, self._mapping, self._persons).take_back(order, erased)

    async def _check_stage(self, calls: Calls) -> None:
        """Raises `Misconfigured` when the stage of the deals to make does not exist."""
        if self._stage_id is None:
            return
        answer = await calls.ask("list stages", "GET", "api/v2/stages", params={"limit": "500"})
        stages = {int(stage["id"]): str(stage["name"]) for stage in answer["data"] or ()}
        if self._stage_id not in stages:
            raise Misconfigured(f"The account has no stage {self._stage_id}: {stages}.")

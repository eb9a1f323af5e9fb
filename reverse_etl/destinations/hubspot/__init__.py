"""HubSpot: leads as contacts of an account, with a deal and a note where wanted. See docs/reference/hubspot.md."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self
from uuid import UUID

import httpx

from reverse_etl.calls import TIMEOUT, Allowances, Calls, Reply
from reverse_etl.destination import Finding, Order, Outcomes, Traits
from reverse_etl.destinations.hubspot import answers
from reverse_etl.destinations.hubspot.account import MAPPING, HubSpotProperties
from reverse_etl.destinations.hubspot.companions import BrowserForm, Deals, make_notes
from reverse_etl.destinations.hubspot.contacts import ContactRow, HubSpotContacts
from reverse_etl.destinations.hubspot.erasing import take_back
from reverse_etl.erased import ErasedRecords
from reverse_etl.errors import DeliveryFailed, Misconfigured, Mismatch
from reverse_etl.lead import Delivered, DeliveryHistory, Lead
from reverse_etl.mapping import PropertyMap, Written

API = "https://api.hubapi.com"
FORMS = "https://api.hsforms.com"


class HubSpot:
    """Delivers leads to one HubSpot account as contacts, matched on `echolead_id` = `lead_id`, then on e-mail.

    It fills HubSpot's own properties when they are empty and changes what it wrote itself; what people wrote stays.
    An address that is another contact's stays there. Properties of the tenant's and of ours are EchoLead's.
    """

    # A private app may make 100 calls in ten seconds on every plan; the headers say when less is left. A call with an
    # unknown outcome was taken or lost at once: records are read from the store, which is not behind itself.
    traits = Traits(batch_size=100, settle_seconds=2.0, requests_per_second=10.0, concurrency=2)
    default_mapping = MAPPING
    kept_kinds: ClassVar[tuple[str, ...]] = ("contact", "deal", "note")

    def __init__(
        self,
        access_token: str,
        lead_url: Callable[[str], str],
        *,
        mapping: PropertyMap,
        base_url: str = API,
        deal: tuple[str, str] | None = None,
        form: BrowserForm | None = None,
    ) -> None:
        self._access_token = access_token
        self._base_url = base_url
        self._mapping = mapping
        self._account = HubSpotProperties(deal)
        self._contacts = HubSpotContacts(self._account, mapping, lead_url)
        self._deals = Deals(self._account, mapping, *deal, lead_url) if deal else None
        self._form = form

    @classmethod
    def of(cls, configuration: Mapping[str, Any], secrets: Mapping[str, str], lead_url: Callable[[str], str]) -> Self:
        """From a destination's configuration and its secret `access_token`.

        Raises `Misconfigured` naming what is missing.
        """
        if not secrets.get("access_token"):
            raise Misconfigured("The HubSpot destination lacks access_token.")
        pipeline, stage = configuration.get("deal_pipeline"), configuration.get("deal_stage")
        portal_id, form_guid = configuration.get("portal_id"), configuration.get("form_guid")
        forms_url = str(configuration.get("forms_url") or FORMS)
        return cls(
            secrets["access_token"],
            lead_url,
            mapping=PropertyMap.of(str(configuration.get("mapping") or ""), MAPPING),
            base_url=str(configuration.get("base_url") or API),
            deal=(str(pipeline), str(stage)) if pipeline and stage else None,
            form=BrowserForm(forms_url, int(portal_id), str(form_guid)) if portal_id and form_guid else None,
        )

    def client(self, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        """A pool for the account's API."""
        return httpx.AsyncClient(
            base_url=self._base_url,
            headers={"Authorization": f"Bearer {self._access_token}", "User-Agent": "EchoLead"},
            timeout=TIMEOUT,
            transport=transport,
        )

    def judge(self, answer: Reply) -> DeliveryFailed | None:
        """By HubSpot's categories and its `policyName`; there is no Retry-After."""
        return answers.judge(answer)

    def allowance(self, headers: httpx.Headers) -> Allowances:
        """What is left of ten seconds, and of the day."""
        return answers.allowances(headers)

    async def prepare(self, calls: Calls) -> None:
        """Read the account's properties, and make those of ours that are missing.

        A token without the scope for it leaves them out, but for `echolead_id`: without it, raises `Misconfigured`.
        """
        await self._account.read(calls)
        try:
            await self._account.make(calls)
        except Misconfigured:
            self._account.check()
            calls.connection.breaker.succeeded()
        self._account.check()
        await self._account.check_pipeline(calls)

    async def test(self, calls: Calls) -> list[Finding]:
        """The token, our key, and each mapped property."""
        await self._account.read(calls)
        await self._account.check_pipeline(calls)
        return self._account.findings(self._mapping)

    async def preview(self, calls: Calls, lead: Lead, history: DeliveryHistory) -> Mapping[str, Written]:
        """The contact, and the deal unless it was made."""
        await self._account.read(calls)
        made = {"contact": self._contacts.written(lead, is_new=history.remote_id is None)}
        return made if self._deals is None or "deal" in history.records else {**made, "deal": self._deals.written(lead)}

    def left_out(self) -> list[Finding]:
        """What the account does not have, or the token may not write."""
        return [each for each in self._account.findings(self._mapping) if each.state != "ok"]

    async def setup(self, calls: Calls, is_dry_run: bool) -> list[Finding]:
        """Make our properties that are missing."""
        before = await self.test(calls)
        if is_dry_run:
            return before
        try:
            await self._account.make(calls)
        except Misconfigured as refused:
            calls.connection.breaker.succeeded()
            return [
                Finding(each.subject, "wrong", str(refused)) if each.state == "missing" else each for each in before
            ]
        missing = {each.subject for each in before if each.state == "missing"}
        after = self._account.findings(self._mapping)
        return [Finding(each.subject, "made", each.detail) if each.subject in missing else each for each in after]

    async def deliver(self, orders: Sequence[Order]) -> Outcomes:
        """Create or update the contacts, then what goes with them. Raises `DeliveryFailed` for all of them."""
        await self._account.read_again(Calls.shared([order.calls for order in orders]))
        rows = [ContactRow(order) for order in orders]
        await self._contacts.find(rows)
        for row in rows:
            if row.contact is not None and row.failure is None:
                await self._contacts.merge_twins(row)
        await self._contacts.write(rows)
        for row in rows:
            if row.failure is None:
                await row.ticked.remember(row.order, row.contact_id, row.properties)
        if self._deals is not None:
            await self._deals.make([row for row in rows if row.failure is None])
        await make_notes([row for row in rows if row.failure is None])
        if self._form is not None:
            for row in rows:
                if row.failure is None:
                    await self._form.submit(row)
        return {row.order.delivery_id: _outcome(row) for row in rows}

    async def verify(self, sent: Sequence[tuple[Order, Delivered]]) -> Mapping[UUID, DeliveryFailed | None]:
        """Read the contacts back by id and compare what was sent, by the type of each property."""
        ids = {str(order.delivery_id): delivered.remote_id for order, delivered in sent}
        held = await self._contacts.read([ContactRow(order) for order, _ in sent], lambda row: [ids[row.trace]])
        found: dict[UUID, DeliveryFailed | None] = {}
        for order, delivered in sent:
            contact = held.get(delivered.remote_id)
            if contact is None:
                found[order.delivery_id] = Mismatch(f"Contact {delivered.remote_id} is gone.")
                continue
            wanted = dict(delivered.fields) or self._contacts.wanted(order)
            different = self._contacts.differences(contact, wanted)
            sentence = f"Contact {delivered.remote_id} differs from what was sent: {', '.join(different)}."
            found[order.delivery_id] = Mismatch(sentence) if different else None
        return found

    async def take_back(self, order: Order, erased: ErasedRecords) -> None:
        """Empty our properties of contacts and deals, and move our notes to HubSpot's recycling bin."""
        await self._account.read_again(order.calls)
        await take_back(order, erased, self._account, self._mapping)


def _outcome(row: ContactRow) -> Delivered | DeliveryFailed:
    for conflict in row.conflicts:
        row.order.calls.note("leave as it is", "conflict", conflict)
    if row.failure is not None:
        return row.failure
    return Delivered(row.contact_id, dict(row.properties), tuple(row.conflicts))

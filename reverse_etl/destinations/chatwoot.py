"""Chatwoot: leads as contacts of an account. The behaviour it relies on is in docs/reference/chatwoot.md."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar

from echolead.normalize import normalize_phone
from reverse_etl.calls import Calls
from reverse_etl.destination import OneByOne, Order, Traits
from reverse_etl.destinations.chatwoot_account import ChatwootAccount
from reverse_etl.destinations.chatwoot_conversations import NOTE, WRITING, WRITTEN, ChatwootConversations
from reverse_etl.destinations.chatwoot_definitions import LINK_KEY
from reverse_etl.destinations.chatwoot_erasing import clear_contact, clear_conversation
from reverse_etl.erased import ErasedRecords, check_taken_back
from reverse_etl.errors import Mismatch, NotThere, OutcomeUnknown, Rejected
from reverse_etl.lead import UNCONFIRMED, Delivered, DeliveryHistory, Lead
from reverse_etl.ownership import LABELS, LabelChanges, label_changes

Contact = dict[str, Any]

# A contact that gave no name is called by two words and a number ("restless-field-123").
GENERATED_NAME = re.compile(r"[a-z]+-[a-z]+-\d{1,4}")
UNIQUE_FIELDS = ("identifier", "email", "phone_number")
# A condition each for identifiers, the e-mail and the forms of the phone number: what is found fits a page of 15.
CONDITIONS_OF_A_LOOK_UP = 12


class ChatwootContacts(ChatwootAccount, OneByOne):
    """Delivers leads to one Chatwoot account as contacts, matched on `identifier` = `lead_id`.

    It fills what is empty and changes what it wrote itself; what an agent wrote stays. An e-mail or phone number that
    belongs to another contact stays there. Both are recorded as conflicts. A Brazilian mobile is one number with and
    without its ninth digit.
    """

    traits = Traits()
    kept_kinds: ClassVar[tuple[str, ...]] = ("contact", NOTE, WRITTEN, WRITING)

    def __init__(
        self, base_url: str, account_id: int, inbox_id: int, access_token: str, lead_url: Callable[[str], str]
    ) -> None:
        super().__init__(base_url, account_id, inbox_id, access_token, lead_url)
        self._conversations = ChatwootConversations(self._definitions, lead_url)

    async def deliver_one(self, order: Order) -> Delivered:
        """Create or update the contact of a lead, or write into a conversation.

        Raises `Rejected` (4xx, final), `Unavailable` or `OutcomeUnknown` (worth another try, which looks up first).
        """
        calls, lead, history = order.calls, order.lead, order.history
        if lead.conversation is not None:
            return await self._conversations.deliver_one(order, lead.conversation)
        attributes = self._attributes(lead)
        await self._definitions.define(calls, attributes, lead.labels)
        contact, conflicts = await self._find(calls, lead, history)
        created: dict[str, Any] = {}
        if contact is None:
            contact, conflicts, created = await self._create(calls, lead, attributes)
        contact = await self._merge_twins(order, contact)
        changes, kept = _changes(contact, lead, attributes, history)
        try:
            written, held = await self._update(calls, contact["id"], changes, lead)
            await self._remove_stale_attributes(calls, contact, attributes, history)
            labels = await self._set_labels(order, str(contact["id"]))
        except NotThere as gone:  # an agent merged it into another contact, which the next look-up finds, or deleted it
            raise OutcomeUnknown(f"Contact {contact['id']} is gone since it was looked up.") from gone
        conflicts = tuple(dict.fromkeys((*conflicts, *kept, *held, *labels.sentences)))
        for conflict in conflicts:
            calls.note("leave as it is", "conflict", conflict)
        fields = {**created, **written, "custom_attributes": attributes, LABELS: set(lead.labels) - {*labels.left_off}}
        return Delivered(str(contact["id"]), fields, conflicts)

    async def verify_one(self, order: Order, delivered: Delivered) -> None:
        """Read contact and labels, or the conversation, back and compare. Raises `Mismatch` naming what differs."""
        calls, lead = order.calls, order.lead
        if lead.conversation is not None:
            await self._conversations.verify_one(order, lead.conversation, delivered)
            return
        try:
            answer = await calls.ask("read back", "GET", f"contacts/{delivered.remote_id}")
            labels = await calls.ask("read back labels", "GET", f"contacts/{delivered.remote_id}/labels")
        except NotThere as error:
            raise Mismatch(f"Contact {delivered.remote_id} is gone.") from error
        contact, sent = answer["payload"], dict(delivered.fields)
        wanted = sent.pop("custom_attributes", None) or self._attributes(lead)
        meant = sent.pop(LABELS, lead.labels)
        held = contact.get("custom_attributes") or {}
        different = [key for key, value in sent.items() if not _same(key, contact.get(key), value)]
        different += [f"custom attribute {key}" for key, value in wanted.items() if held.get(key) != value]
        different += [f"label {label}" for label in sorted(meant) if label not in labels["payload"]]
        if different:
            raise Mismatch(f"Contact {delivered.remote_id} differs from what was sent: {', '.join(different)}.")

    async def take_back(self, order: Order, erased: ErasedRecords) -> None:
        """Take attributes, labels, our identifier and notes off contacts and conversations.

        A contact that another one was merged with is found by the identifier, if that is still ours.
        """
        calls, known = order.calls, erased.records.get("contact", ())
        held = await self._holders(calls, Lead.of_erased(erased)) if erased.leads else []
        left: list[str] = []
        for contact_id in dict.fromkeys((*known, *(str(each["id"]) for each in held))):
            left += await clear_contact(calls, contact_id, erased)
        for conversation_id, kept in erased.conversations.items():
            left += await clear_conversation(calls, conversation_id, kept, erased)
        check_taken_back(left)

    def _attributes(self, lead: Lead) -> dict[str, Any]:
        return {**lead.attributes, LINK_KEY: self._lead_url(lead.lead_id)}

    # Finding

    async def _find(self, calls: Calls, lead: Lead, history: DeliveryHistory) -> tuple[Contact | None, tuple[str, ...]]:
        """The lead's contact: the remembered one, else by identifier, tracking id, e-mail, phone, in that order."""
        if history.remote_id is not None:
            try:
                answer = await calls.ask("show contact", "GET", f"contacts/{history.remote_id}")
            except NotThere:  # deleted, or merged into another contact
                pass
            else:
                if not _is_anothers(answer["payload"], lead, history):
                    return answer["payload"], ()
        candidates = _ranked(await self._holders(calls, lead), lead)
        if not candidates:
            return None, ()
        chosen, others = candidates[0], candidates[1:]
        return chosen, tuple(_conflict(chosen, other, lead) for other in others)

    async def _holders(self, calls: Calls, lead: Lead) -> list[Contact]:
        """Every contact that holds one of the lead's identifiers exactly, or another form of its phone number.

        `contacts/filter` compares whole values and takes many at once; `contacts/search` matches parts of words.
        """
        wanted = [("identifier", value) for value in dict.fromkeys((lead.lead_id, *lead.tracking_ids))]
        wanted += [("email", lead.email)] if lead.email else []
        # Chatwoot puts the plus sign there itself.
        wanted += [("phone_number", form.removeprefix("+")) for form in _forms(lead.phone)]
        found: dict[int, Contact] = {}
        for first in range(0, len(wanted), CONDITIONS_OF_A_LOOK_UP):
            some = wanted[first : first + CONDITIONS_OF_A_LOOK_UP]
            conditions = [
                _condition(key, value, is_last=pair == len(some) - 1) for pair, (key, value) in enumerate(some)
            ]
            answer = await calls.ask("look up contacts", "POST", "contacts/filter", body={"payload": conditions})
            found.update({contact["id"]: contact for contact in answer["payload"]})
        return list(found.values())

    # Writing

    async def _merge_twins(self, order: Order, contact: Contact) -> Contact:
        """Give the contact what the contacts hold that were made for leads that became part of this one.

        Chatwoot deletes those; the contact's own values win.
        """
        known, unconfirmed = order.history.twins.get("contact", ()), order.history.unconfirmed
        other = Lead(unconfirmed[0], tracking_ids=unconfirmed) if unconfirmed else None
        found = await self._holders(order.calls, other) if other else []
        ids = dict.fromkeys((*known, *(str(each["id"]) for each in found)))
        twins = [twin for twin in ids if twin != str(contact["id"])]
        for twin in twins:
            await self._merge(order.calls, contact["id"], int(twin))
            await order.settle_twin("contact", twin)
        for lead_id in unconfirmed:
            await order.settle_twin(UNCONFIRMED, lead_id)
        if not twins:
            return contact
        answer = await order.calls.ask("show contact", "GET", f"contacts/{contact['id']}")
        return dict(answer["payload"])

    async def _merge(self, calls: Calls, contact_id: int, twin: int) -> None:
        body = {"base_contact_id": contact_id, "mergee_contact_id": twin}
        with suppress(NotThere):  # an agent has merged or deleted it
            await calls.ask("merge contacts", "POST", "actions/contact_merge", body=body)

    async def _is_merged(self, calls: Calls, contact_id: int, holder: Contact, lead: Lead) -> bool:
        """Merge the holder of one of the lead's values when it is the lead's own: its creation was never confirmed, so
        that the ledger does not know it. False for another person's contact.
        """
        is_own = holder.get("identifier") in (lead.lead_id, *lead.tracking_ids)
        if is_own:
            await self._merge(calls, contact_id, holder["id"])
        return is_own

    async def _create(
        self, calls: Calls, lead: Lead, attributes: Mapping[str, Any]
    ) -> tuple[Contact, tuple[str, ...], dict[str, Any]]:
        """Create the contact, or find the one that holds what Chatwoot says is taken; and the fields that were set.

        Raises `Rejected`.
        """
        identity: dict[str, Any] = _identity(lead)
        body = {"inbox_id": self._inbox_id, **identity, "custom_attributes": dict(attributes)}
        try:
            answer = await calls.ask("create contact", "POST", "contacts", body=body, is_safe_to_repeat=False)
        except Rejected as refused:
            if not set(refused.attributes) & set(UNIQUE_FIELDS):
                raise
            # The sentence may be in any language, so the holder is looked for instead of read out of it.
            candidates = _ranked(await self._holders(calls, lead), lead)
            if not candidates:
                raise
            chosen, others = candidates[0], candidates[1:]
            return chosen, tuple(_conflict(chosen, other, lead) for other in others), {}
        return answer["payload"]["contact"], (), identity

    async def _update(
        self, calls: Calls, contact_id: int, changes: dict[str, Any], lead: Lead
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Write the changes without those that belong to another contact; both are returned. Raises `Rejected`."""
        conflicts: list[str] = []
        changes = dict(changes)
        # Chatwoot does not know that two forms are one number.
        for form in _forms(changes.get("phone_number", ""))[1:]:
            holder = await self._holder(calls, "phone_number", form, contact_id)
            if holder is not None and not await self._is_merged(calls, contact_id, holder, lead):
                conflicts.append(_left("phone_number", holder["id"]))
                del changes["phone_number"]
        while changes:
            try:
                await calls.ask("update contact", "PUT", f"contacts/{contact_id}", body=changes)
            except Rejected as refused:
                taken = [field for field in refused.attributes if field in UNIQUE_FIELDS and field in changes]
                held = [(field, await self._holder(calls, field, changes[field], contact_id)) for field in taken]
                if not taken or any(holder is None for _, holder in held):
                    raise
                for field, holder in held:
                    if holder is not None and not await self._is_merged(calls, contact_id, holder, lead):
                        conflicts.append(_left(field, holder["id"]))
                        del changes[field]
            else:
                break
        return changes, tuple(conflicts)

    async def _holder(self, calls: Calls, field: str, value: str, except_for: int) -> Contact | None:
        """Another contact that holds the value, None when the value is bad rather than taken."""
        condition = _condition(field, value.removeprefix("+") if field == "phone_number" else value, is_last=True)
        answer = await calls.ask("look up holder", "POST", "contacts/filter", body={"payload": [condition]})
        return next((found for found in answer["payload"] if found["id"] != except_for), None)

    async def _remove_stale_attributes(
        self, calls: Calls, contact: Contact, attributes: Mapping[str, Any], history: DeliveryHistory
    ) -> None:
        """Take off what we sent before and no longer want, unless somebody changed it since."""
        held = contact.get("custom_attributes") or {}
        stale = sorted(
            {
                key
                for lead in history.sent
                for key, value in lead.attributes.items()
                if key not in attributes and key in held and held[key] == value
            }
        )
        if stale:
            path = f"contacts/{contact['id']}/destroy_custom_attributes"
            await calls.ask("remove attributes", "POST", path, body={"custom_attributes": stale})

    async def _set_labels(self, order: Order, contact_id: str) -> LabelChanges:
        """Add the lead's labels to those the contact has, and take off ours that are no longer meant.

        Chatwoot replaces the whole list, so a label that an agent sets between our reading and writing would be lost;
        nothing is written when nothing changes.
        """
        calls, path, kept = order.calls, f"contacts/{contact_id}/labels", order.history.records.get(LABELS, "")
        present: list[str] = (await calls.ask("list contact labels", "GET", path))["payload"]
        earlier = [sent.labels for sent in order.history.sent]
        found = label_changes(order.lead.labels, present, earlier, kept, contact_id)
        if found.after is not None:
            await calls.ask("set contact labels", "POST", path, body={"labels": found.after})
        if found.kept(contact_id) != kept:
            await order.remember(LABELS, found.kept(contact_id))
        return found


def _identity(lead: Lead) -> dict[str, Any]:
    """The lead's own fields by Chatwoot's names; what is unknown is left out, so that nothing is ever blanked."""
    fields = {
        "name": lead.name,
        "email": lead.email.lower(),
        "phone_number": lead.phone,
        "identifier": lead.lead_id,
    }
    return {key: value for key, value in fields.items() if value}


def _is_anothers(contact: Contact, lead: Lead, history: DeliveryHistory) -> bool:
    """Whether the remembered id is another person's by now, as in an account that was emptied and counts its ids anew.

    Such a contact has an identifier, and neither it nor e-mail or phone are the lead's or were ever sent for it.
    """
    known = (lead, *history.sent)
    identifier = contact.get("identifier")
    if not identifier or any(identifier in (each.lead_id, *each.tracking_ids) for each in known):
        return False
    ways = [
        (key, value) for each in known for key, value in _identity(each).items() if key in ("email", "phone_number")
    ]
    return not any(_same(key, contact.get(key), value) for key, value in ways)


def _changes(
    contact: Contact, lead: Lead, attributes: Mapping[str, Any], history: DeliveryHistory
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the contact lacks, or holds from an earlier delivery of ours; and sentences on an agent's edits, which stay.

    An identifier that is there is never changed: the widget of the browser it came from would lose its conversation.
    """
    changes: dict[str, Any] = {}
    kept: list[str] = []
    for key, value in _identity(lead).items():
        current = contact.get(key)
        if _same(key, current, value):
            continue
        is_ours = key != "identifier" and any(_same(key, current, _identity(sent).get(key)) for sent in history.sent)
        if not current or is_ours or (key == "name" and _is_generated(contact)):
            changes[key] = value
        elif key in ("email", "phone_number"):
            holder = f"contact {contact['id']} has {current}, which EchoLead did not write"
            kept.append(f"{key} {value} was not written: {holder}")
    held = contact.get("custom_attributes") or {}
    if any(held.get(key) != value for key, value in attributes.items()):
        changes["custom_attributes"] = dict(attributes)
    return changes, tuple(kept)


def _is_generated(contact: Contact) -> bool:
    """Whether the name was made up by Chatwoot or copied from the e-mail or phone number."""
    name, email = str(contact.get("name") or ""), str(contact.get("email") or "")
    copies = {email, email.partition("@")[0], str(contact.get("phone_number") or "")}
    return name in copies or GENERATED_NAME.fullmatch(name) is not None


def _ranked(contacts: list[Contact], lead: Lead) -> list[Contact]:
    """The contacts that hold one of the lead's identifiers, the strongest claim first; the rest are not the lead's.

    Rank: identifier = lead_id, then the tracking ids in their order, then the e-mail, then the phone number, then its
    other form. A value belongs to one contact of an account, so the order does not depend on the order of the answer.
    """
    ids = list(dict.fromkeys((lead.lead_id, *lead.tracking_ids)))

    def rank(contact: Contact) -> int | None:
        if contact.get("identifier") in ids:
            return ids.index(contact["identifier"])
        if lead.email and _same("email", contact.get("email"), lead.email):
            return len(ids)
        forms = _forms(lead.phone)
        return len(ids) + 1 + forms.index(contact["phone_number"]) if contact.get("phone_number") in forms else None

    ranks = [(place, contact["id"], contact) for contact in contacts if (place := rank(contact)) is not None]
    return [contact for _, _, contact in sorted(ranks, key=lambda ranked: ranked[:2])]


def _conflict(chosen: Contact, other: Contact, lead: Lead) -> str:
    identity = _identity(lead)
    fields = [key for key in UNIQUE_FIELDS if key in identity and _same(key, other.get(key), identity[key])]
    held = " and ".join(fields) or "a tracking id"
    return f"{_left(held, other['id'])}; delivered to contact {chosen['id']}"


def _left(field: str, holder: int) -> str:
    return f"{field} belongs to contact {holder}, left there"


def _same(key: str, current: Any, value: Any) -> bool:
    if key == "email":
        return str(current or "").lower() == str(value or "").lower()
    if key == "phone_number" and current:
        return current in _forms(value or "")
    return bool((current or None) == (value or None))


def _forms(phone: str) -> list[str]:
    """The ways to write an E.164 number, itself first: a Brazilian mobile has two, no number none."""
    return list(dict.fromkeys((phone, *normalize_phone(phone, "BR").variants))) if phone else []


def _condition(key: str, value: str, *, is_last: bool) -> dict[str, Any]:
    condition: dict[str, Any] = {"attribute_key": key, "filter_operator": "equal_to", "values": [value]}
    return condition if is_last else {**condition, "query_operator": "OR"}

"""Who an erasure or an export is about: everything by which rows of a lead are found."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Self

from clickhouse_connect.driver.client import Client

from echolead.operational.errors import ChangeRefused, NotFound

LEAD = """
select name, email, phone, external_id, tracking_ids, people from marts.leads
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
"""
VALUES = """
select kind, value, is_shared from marts.identities
where tenant_id = {tenant_id:String} and lead_id = {lead_id:String}
"""
OTHERS = """
select lead_id from marts.leads
where tenant_id = {tenant_id:String} and lead_id != {lead_id:String} and hasAny(tracking_ids, {visitors:Array(String)})
order by lead_id limit 100
"""
CONVERSATIONS = """
select account_id, conversation_id from marts.conversation_leads
where tenant_id = {tenant_id:String} and lead_id in {leads:Array(String)}
"""
CONTACTS = """
select distinct account_id, contact_id from marts.conversation_facts
where tenant_id = {tenant_id:String} and contact_id > 0
    and (account_id, conversation_id) in {conversations:Array(Tuple(Int64, Int64))}
"""

ChatKey = tuple[int, int]
"""(account, id) of a conversation or a contact in Chatwoot."""


@dataclass(frozen=True)
class ErasedPerson:
    """A lead with its visitors, the ids it has had, what it stated, and its conversations.

    `received_before` is the moment of the request: what is received later is no part of it. `deliveries` are ids of the
    ledger, also those of its conversations, `records` (destination, id in the ledger) of what destinations have.
    """

    tenant_id: str
    lead_id: str
    received_before: datetime
    visitors: Sequence[str]
    leads: Sequence[str]
    emails: Sequence[str] = ()
    phones: Sequence[str] = ()
    external_ids: Sequence[str] = ()
    conversations: Sequence[ChatKey] = ()
    contacts: Sequence[ChatKey] = ()
    deliveries: Sequence[str] = ()
    records: Sequence[tuple[str, str]] = ()

    @property
    def ids(self) -> list[str]:
        """Every id of the lead and of its visitors."""
        return sorted({self.lead_id, *self.leads, *self.visitors})

    @property
    def hashes(self) -> list[str]:
        """`visitor_hash` of each visitor."""
        return sorted(visitor_hash(self.tenant_id, each) for each in self.visitors)

    def as_json(self) -> dict[str, Any]:
        """It as JSON, without the moment."""
        return {name: value for name, value in asdict(self).items() if name != "received_before"}

    @classmethod
    def of_json(cls, said: Mapping[str, Any], received_before: datetime) -> Self:
        """What `as_json` gave."""
        pairs = {name: [(int(a), int(b)) for a, b in said[name]] for name in ("conversations", "contacts")}
        records = [(str(a), str(b)) for a, b in said["records"]]
        return cls(**{**said, **pairs, "records": records}, received_before=received_before)


def visitor_hash(tenant_id: str, tracking_id: str) -> str:
    """What is kept of an erased visitor: SHA-256, hexadecimal. An id has 122 random bits, so it cannot be guessed."""
    return sha256(f"{tenant_id}/{tracking_id}".encode()).hexdigest()


def person_of(client: Client, tenant_id: str, lead_id: str, received_before: datetime | None = None) -> ErasedPerson:
    """Who a lead is now. Raises `NotFound`.

    Reads the lead by key, and of the tenant the columns of identities and of conversations that name a lead.
    """
    place = {"tenant_id": tenant_id, "lead_id": lead_id}
    found = client.query(LEAD, parameters=place).result_rows
    if not found:
        raise NotFound(f"Tenant {tenant_id} has no lead {lead_id}.")
    _, email, phone, external_id, visitors, people = found[0]
    stated: dict[str, set[str]] = {"email": {email}, "phone": {phone}, "external_id": {external_id}}
    shared = {""}  # a value that several people share does not identify one of them
    for kind, value, is_shared in client.query(VALUES, parameters=place).result_rows:
        if is_shared:
            shared.add(value)
        else:
            stated.setdefault(kind, set()).add(value)
    ids = sorted({lead_id, *people, *visitors})
    asked: dict[str, Any] = {"tenant_id": tenant_id, "leads": ids}
    conversations = [(int(a), int(b)) for a, b in client.query(CONVERSATIONS, parameters=asked).result_rows]
    asked = {"tenant_id": tenant_id, "conversations": conversations}
    contacts = client.query(CONTACTS, parameters=asked).result_rows if conversations else []
    return ErasedPerson(
        tenant_id=tenant_id,
        lead_id=lead_id,
        received_before=received_before or datetime.now(UTC),
        visitors=sorted(visitors),
        leads=ids,
        emails=sorted(stated["email"] - shared),
        phones=sorted(stated["phone"] - shared),
        external_ids=sorted(stated["external_id"] - shared),
        conversations=conversations,
        contacts=[(int(a), int(b)) for a, b in contacts],
    )


def others_at(client: Client, person: ErasedPerson) -> list[str]:
    """Other leads at the same visitors, as on a shared tablet; at most 100. Reads the visitors of all leads."""
    asked = {"tenant_id": person.tenant_id, "lead_id": person.lead_id, "visitors": list(person.visitors)}
    return [str(each) for (each,) in client.query(OTHERS, parameters=asked).result_rows]


def check_erasable(client: Client, tenant_id: str, lead_id: str, *, with_others: bool) -> None:
    """Raises `NotFound`, and `ChangeRefused` when other leads would lose rows and that is not wanted."""
    person = person_of(client, tenant_id, lead_id)
    others = others_at(client, person)
    if others and not with_others:
        raise ChangeRefused(
            f"Lead {lead_id} shares a device with {', '.join(others[:5])}, and what was done there is erased for all "
            "of them. Split the lead first, or say that the others' rows of these devices may go too (with others)."
        )

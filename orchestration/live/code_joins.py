"""Conversations that a WhatsApp link led to become their visitors': an event is added to raw for each.

`marts.code_joins` says which conversation the code of a link opened. The event is a `chat_start` of the visitor with
the contact's phone number, so that identity, journey, rules and deliveries follow as from the widget's. It is in raw,
so that what was joined once stays so, also in a rebuild.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_OID, UUID, uuid5

import pyarrow as pa
from msgspec import Raw

from dlt_pipelines.collector.loader import EventLoader, Load
from dlt_pipelines.collector.straight import rows_of
from echolead.events import Event, Page, ReceivedEvent, ReceivedRequest, StatedUser, encode
from echolead.normalize import normalized
from echolead.settings import Settings
from echolead.warehouse import connect

LOOK_BACK = timedelta(days=7)
"""How old a join may be that a live run finds at its start, in case the run before it died with it."""
AT_ONCE = 10_000
REGION = "BR"
"""Of numbers without a country; those of WhatsApp have one."""

# Reads the joins behind a turn by the table's index, and all else by the keys of these.
NEW_JOINS = """
with joins as (
    select * from marts.code_joins
    where turn > {after:UInt64} and has_address
    order by turn
    limit {at_once:UInt64} with ties
),
contacts as (
    select * from staging.chat_contacts
    where (tenant_id, account_id, contact_id) in (select tenant_id, account_id, contact_id from joins)
),
done as (
    select tenant_id, code from marts.link_codes
    where event_name = 'chat_start' and (tenant_id, code) in (select tenant_id, code from joins)
),
visitor_leads as (
    select tenant_id, value as tracking_id, groupUniqArray(lead_id) as lead_ids
    from marts.identities
    where kind = 'tracking_id' and (tenant_id, kind, value) in (select tenant_id, 'tracking_id', tracking_id from joins)
    group by tenant_id, tracking_id
),
contact_values as (
    select tenant_id, account_id, contact_id, arrayJoin([
        ('tracking_id', identifier), ('external_id', identifier), ('email', email), ('phone', phone)
    ]) as each
    from contacts
    where each.2 != ''
),
contact_leads as (
    select contact_values.tenant_id as tenant_id, account_id, contact_id, groupUniqArray(lead_id) as lead_ids
    from contact_values
    inner join (
        select tenant_id, kind, value, lead_id from marts.identities
        where not is_shared and (tenant_id, kind, value) in (select tenant_id, each.1, each.2 from contact_values)
    ) as owners on contact_values.tenant_id = owners.tenant_id and each.1 = owners.kind and each.2 = owners.value
    group by tenant_id, account_id, contact_id
),
with_phones as (
    select tenant_id, groupArray(lead_id) as lead_ids
    from marts.leads
    where (tenant_id, lead_id) in (select tenant_id, arrayJoin(lead_ids) from visitor_leads)
        and arrayExists(identifier -> identifier.1 = 'phone', identifiers)
    group by tenant_id
)
select
    joins.tenant_id, joins.code, joins.tracking_id, joins.client_session_id, joins.page_url, joins.account_id,
    joins.conversation_id, joins.written_at, joins.turn, contacts.name, contacts.email, contacts.phone,
    visitor_leads.lead_ids, contact_leads.lead_ids, hasAny(with_phones.lead_ids, visitor_leads.lead_ids),
    (joins.tenant_id, joins.code) in (select tenant_id, code from done)
from joins
inner join contacts on joins.tenant_id = contacts.tenant_id
    and joins.account_id = contacts.account_id and joins.contact_id = contacts.contact_id
left join visitor_leads on joins.tenant_id = visitor_leads.tenant_id and joins.tracking_id = visitor_leads.tracking_id
left join contact_leads on joins.tenant_id = contact_leads.tenant_id
    and joins.account_id = contact_leads.account_id and joins.contact_id = contact_leads.contact_id
left join with_phones on joins.tenant_id = with_phones.tenant_id
settings final = 1
"""


@dataclass(frozen=True)
class CodeJoin:
    """A code that came back: whose click it was, who its conversation's contact is, and which leads both are."""

    tenant_id: str
    code: str
    tracking_id: str
    session_id: str
    page_url: str
    account_id: int
    conversation_id: int
    written_at: datetime
    turn: int
    name: str
    email: str
    phone: str
    visitor_leads: Collection[str]
    contact_leads: Collection[str]
    visitor_has_phone: bool  # is known by a phone number
    is_done: bool

    @property
    def is_same_person(self) -> bool:
        """Whether visitor and contact may be one person: no two leads that are known become one by a code.

        Anybody can send a text that was forwarded. So a visitor who is known is joined with a contact that is the same
        lead, or with one that is no lead if no phone number of the visitor is known.
        """
        if not self.visitor_leads:
            return True
        if self.contact_leads:
            return set(self.contact_leads) <= set(self.visitor_leads)
        return not self.visitor_has_phone


class CodeJoins:
    """Makes events of the joins that turns of conversations have found."""

    def __init__(self, settings: Settings) -> None:
        self._client = connect(settings.clickhouse("dbt"))
        self._after = int((datetime.now(UTC) - LOOK_BACK).timestamp() * 1000)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def add_to(self, loader: EventLoader) -> Load:
        """Make loads of the events of new joins; what was added.

        Raises `LoadFailed`, `LeaseLost` and the errors of clickhouse-connect: the next call does the same again, and
        an event that is there twice has the same key.
        """
        done = Load()
        while found := self._new():
            rows = rows_of_joins(each for each in found if not each.is_done and each.is_same_person)
            if rows.num_rows:
                done += loader.add({"events": rows}, f"codes-{self._after}")
            self._after = max(each.turn for each in found)
        return done

    def _new(self) -> list[CodeJoin]:
        asked = {"after": self._after, "at_once": AT_ONCE}
        return [CodeJoin(*row) for row in self._client.query(NEW_JOINS, parameters=asked).result_rows]


def rows_of_joins(joins: Iterable[CodeJoin]) -> pa.Table:
    """The events of joins as rows of `raw.events`."""
    now = datetime.now(UTC)
    return rows_of(
        ReceivedRequest(tenant_id=each.tenant_id, received_at=now, source="server", events=[chat_start(each)])
        for each in joins
    )


def chat_start(join: CodeJoin) -> ReceivedEvent:
    """The event that says whose conversation it is. Of one code it has always the same key."""
    # What connects is the number that WhatsApp proves. The name of the account is one only where no other is known.
    user = StatedUser(
        phone=join.phone, email="" if join.phone else join.email, name="" if join.visitor_leads else join.name
    )
    event = Event(
        event_id=uuid5(NAMESPACE_OID, f"{join.tenant_id}/{join.tracking_id}/{join.code}"),
        name="chat_start",
        tracking_id=UUID(join.tracking_id),
        session_id=UUID(join.session_id),
        occurred_at=join.written_at.replace(tzinfo=UTC),
        page=Page(url=join.page_url),
        user=user,
        properties={
            "channel": "whatsapp",
            "whatsapp_code": join.code,
            "account_id": join.account_id,
            "conversation_id": join.conversation_id,
        },
    )
    return ReceivedEvent(event=Raw(encode(event)), user=normalized(user, REGION))

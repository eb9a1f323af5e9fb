"""What is pulled of a CRM: records in one shape for all products, without names, addresses or texts of people."""

import json
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import md5
from typing import Any, Literal, Protocol

RecordKind = Literal["deal", "archived", "stage", "contact", "merge", "archive"]
"""`archived` are deals of a list of their own, `contact` those that deals name, `merge` those that others became part
of, `archive` says whether a deal is deleted. Each kind is followed by itself."""
RecordPage = list["DealRecord"]
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
OVERLAP_SECONDS = 300.0
"""How far behind the newest version a pull begins: searches run behind the store, and clocks differ."""


class Ask(Protocol):
    """A call of the CRM's API with the destination's credentials, its pace and its time-outs; gives the JSON."""

    async def __call__(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Any:
        """Raises when the product refuses, does not answer, or is asked too often."""


@dataclass(frozen=True)
class StageEntry:
    """A deal came into a stage, as the product's history says it."""

    pipeline_id: str
    stage_id: str
    entered_at: str


@dataclass(frozen=True)
class DealState:
    """A deal as the product has it now; '' for what it does not say.

    `status` is the product's own word (open, won, lost), '' where only the stage says it. `lead_key` is the lead's id
    where EchoLead wrote it on the record; `merged_ids` are the deals that became part of this one. `entries` is the
    product's history of stages, none where it has no such history.
    """

    pipeline_id: str
    stage_id: str
    value: str = ""
    currency: str = ""
    status: Literal["", "open", "won", "lost"] = ""
    created_at: str = ""
    closed_at: str = ""
    lost_reason: str = ""
    lead_key: str = ""
    contact_ids: Sequence[str] = ()
    merged_ids: Sequence[str] = ()
    is_deleted: bool = False
    entries: Sequence[StageEntry] = ()


@dataclass(frozen=True)
class PipelineStage:
    """A stage of a pipeline; `outcome` is what the product itself says that a deal in it is."""

    pipeline_id: str
    pipeline_label: str
    stage_id: str
    label: str
    position: int
    outcome: Literal["", "won", "lost"] = ""
    is_deleted: bool = False


@dataclass(frozen=True)
class ContactState:
    """A contact of deals: the lead that EchoLead wrote on it, and the contacts that became part of it."""

    lead_key: str = ""
    merged_ids: Sequence[str] = ()


@dataclass(frozen=True)
class ArchiveState:
    """Whether the product's list of deleted records has a deal."""

    is_deleted: bool


@dataclass(frozen=True)
class DealRecord:
    """One state of one record, to be appended to raw."""

    kind: RecordKind
    record_id: str
    version: datetime
    state: DealState | PipelineStage | ContactState | ArchiveState

    @property
    def payload(self) -> str:
        """The state as JSON, the same text for the same state."""
        return json.dumps(_plain(self.state), sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True)
class Known:
    """What raw has of one destination: enough to ask only for what is new, and to see what is gone.

    `since` is the time from which changes are asked for, by kind; `versions` are the states at or behind it;
    `payloads` the newest state of each stage, `deleted` the deals that were in the archive when it was last read.
    """

    since: Mapping[str, datetime] = field(default_factory=dict)
    versions: Collection[tuple[str, str, datetime]] = frozenset()
    payloads: Mapping[str, str] = field(default_factory=dict)
    deleted: Collection[str] = frozenset()

    def has(self, kind: RecordKind, record_id: str, version: datetime) -> bool:
        """Whether raw has this state."""
        return (kind, record_id, version) in self.versions

    def changed_since(self, kind: RecordKind) -> datetime:
        """From when on changes of this kind are asked for."""
        return self.since.get(kind, NEVER)


class DealSource(Protocol):
    """One product's way of giving its records, oldest change first, so that a pull that ends early is gone on with."""

    def pages(self, ask: Ask, known: Known, now: datetime) -> AsyncIterator[RecordPage]:
        """Pages of what raw does not have. Raises what `ask` raises; `UnreadableRecord`."""


class UnreadableRecord(Exception):
    """The product's answer has not the shape that its documentation says; the message says where."""


def moment(said: Any) -> datetime:
    """A time of a product, to the millisecond as raw keeps it. Raises `UnreadableRecord`.

    Read are RFC 3339 texts, with or without a zone (UTC), offsets without a colon, and milliseconds since 1970.
    """
    text = str(said or "").strip()
    try:
        found = (
            datetime.fromtimestamp(int(text) / 1000, UTC)
            if text.isdecimal()
            else datetime.fromisoformat(text.replace(" ", "T", 1))
        )
    except (ValueError, OverflowError, OSError):
        raise UnreadableRecord(f"{text[:40]!r} is no time.") from None
    aware = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return aware.replace(microsecond=aware.microsecond // 1000 * 1000)


def time_text(said: Any) -> str:
    """A time of a product as RFC 3339 text in UTC; '' where there is none or it cannot be read."""
    try:
        return moment(said).isoformat(timespec="milliseconds").replace("+00:00", "Z") if said else ""
    except UnreadableRecord:
        return ""


def row_id(tenant_id: str, destination_id: str, record: DealRecord) -> str:
    """`_dlt_id` of a record: a hash of all it says."""
    said = [tenant_id, destination_id, record.kind, record.record_id, record.version.isoformat(), record.payload]
    return md5(json.dumps(said).encode(), usedforsecurity=False).hexdigest()


def text(said: Any, most: int = 200) -> str:
    """A value of a product as bounded text, '' for null."""
    return "" if said is None else str(said)[:most]


def _plain(state: Any) -> dict[str, Any]:
    return {
        name: [vars(each) if isinstance(each, StageEntry) else each for each in value]
        if isinstance(value, list | tuple)
        else value
        for name, value in vars(state).items()
    }


def parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """The items in parts of at most `size`, as many as a call may name."""
    return (items[first : first + size] for first in range(0, len(items), size))

"""Reading the audit log: pages, an export, and whether a chain is whole.

Each entry has the hash of the one before it in its chain and of its own line (JSON, as `audit_line` of the database
writes it): SHA-256 over the earlier hash and the line in UTF-8. A chain begins with no hash. So an export can be
checked without the database, and an entry that was changed, left out or moved shows.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from echolead.operational.models import AuditChain, AuditEntry

READ_AT_ONCE = 1000
INSTALLATION = ""
"""The chain of entries without a tenant."""
LINES = text("""
select chain_position, audit_line(audit_log) as line, encode(hash, 'hex') as hash from audit_log
where coalesce(tenant_id, '') = :chain and chain_position > :after order by chain_position limit :limit
""")


@dataclass(frozen=True)
class ChainedLine:
    """An entry as it is hashed: its position from 1 on, its line, and its hash in hexadecimal."""

    position: int
    line: str
    hash: str


@dataclass(frozen=True)
class ChainVerdict:
    """Whether a chain is whole: how many entries it has, and the first thing that is wrong ('': nothing)."""

    chain: str
    entries: int
    problem: str = ""


def list_entries(
    session: Session, tenant_id: str, *, limit: int, before: int | None = None, action: str = "", actor: str = "",
    since: datetime | None = None, until: datetime | None = None,
) -> Sequence[AuditEntry]:  # fmt: skip
    """The newest entries of a tenant (''; the installation), or the newest before a position.

    `action` and `actor` are compared from their beginning: `lead_rules.` finds every change of rules.
    """
    chain = func.coalesce(AuditEntry.tenant_id, "")
    asked = select(AuditEntry).where(chain == tenant_id).order_by(AuditEntry.chain_position.desc()).limit(limit)
    if before is not None:
        asked = asked.where(AuditEntry.chain_position < before)
    for column, start in ((AuditEntry.action, action), (AuditEntry.actor, actor)):
        if start:
            asked = asked.where(column.startswith(start, autoescape=True))
    if since is not None:
        asked = asked.where(AuditEntry.at >= since)
    if until is not None:
        asked = asked.where(AuditEntry.at < until)
    return session.scalars(asked).all()


def export_chain(session: Session, chain: str, *, after: int = 0) -> Iterator[ChainedLine]:
    """The lines of a chain from a position on, oldest first, `READ_AT_ONCE` at a time."""
    while True:
        rows = session.execute(LINES, {"chain": chain, "after": after, "limit": READ_AT_ONCE}).all()
        yield from (ChainedLine(row.chain_position, row.line, row.hash) for row in rows)
        if len(rows) < READ_AT_ONCE:
            return
        after = rows[-1].chain_position


def verify_chain(session: Session, chain: str) -> ChainVerdict:
    """Read the whole chain and compare it with its end. One entry at a time is in memory."""
    end = session.get(AuditChain, chain, populate_existing=True)  # before the entries: others may come meanwhile
    wanted = end.position if end else 0
    last, count = b"", 0
    for entry in export_chain(session, chain):
        count += 1
        if entry.position != count:
            return ChainVerdict(chain, count, f"Entry {count} is missing.")
        last = hashlib.sha256(last + entry.line.encode()).digest()
        if last.hex() != entry.hash or (end is not None and count == wanted and last != end.hash):
            return ChainVerdict(chain, count, f"Entry {count} is not what was written: {entry.line}")
    if count < wanted:
        return ChainVerdict(chain, count, f"There were {wanted} entries, and {count} are left.")
    return ChainVerdict(chain, count)


def chains(session: Session) -> Sequence[str]:
    """The chains that there are: tenants, and `INSTALLATION`. Across tenants only."""
    return session.scalars(select(AuditChain.chain).order_by(AuditChain.chain)).all()

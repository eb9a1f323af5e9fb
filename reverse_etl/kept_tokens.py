"""The OAuth tokens of a destination in PostgreSQL: encrypted, shared by all engines, renewed by one at a time.

The right to renew is a lease in the row, not a lock: no connection is held while a product answers.
"""

import asyncio
import json
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from echolead.operational.database import tenant_session
from echolead.security import Vault
from reverse_etl.tokens import Tokens

# Longer than a call may take (`calls.CALL_SECONDS`), as the right is taken and given back within one.
HELD_SECONDS = 30.0

TAKE = text("""
    insert into destination_tokens as kept (tenant_id, destination_id, held_until)
    values (:tenant_id, :destination_id, clock_timestamp() + make_interval(secs => :seconds))
    on conflict (tenant_id, destination_id) do update set held_until = excluded.held_until
        where kept.held_until is null or kept.held_until < clock_timestamp()
    returning secrets
""")
KEEP = text("""
    update destination_tokens set secrets = :secrets
    where tenant_id = :tenant_id and destination_id = :destination_id
""")
RELEASE = text("""
    update destination_tokens set held_until = null
    where tenant_id = :tenant_id and destination_id = :destination_id
""")


class KeptTokens:
    """A `TokenStore` for one destination. `engine` is connected as the deliveries' role."""

    def __init__(self, engine: Engine, vault: Vault, tenant_id: str, destination_id: UUID) -> None:
        self._engine = engine
        self._vault = vault
        self._tenant_id = tenant_id
        self._row: dict[str, Any] = {"tenant_id": tenant_id, "destination_id": destination_id}

    async def take(self) -> Tokens | None:
        """The right and the stored tokens, {} before the first; None while another engine has it."""
        return await asyncio.to_thread(self._take)

    async def keep(self, tokens: Tokens) -> None:
        """Store new tokens."""
        secrets = self._vault.encrypt({"tokens": json.dumps(dict(tokens))})
        await asyncio.to_thread(self._write, KEEP, secrets=secrets)

    async def release(self) -> None:
        """Give the right back."""
        await asyncio.to_thread(self._write, RELEASE)

    def _take(self) -> Tokens | None:
        with tenant_session(self._engine, self._tenant_id) as session:
            taken = session.execute(TAKE, {**self._row, "seconds": HELD_SECONDS}).one_or_none()
        if taken is None or taken.secrets is None:
            return None if taken is None else {}
        tokens: Tokens = json.loads(self._vault.decrypt(taken.secrets)["tokens"])
        return tokens

    def _write(self, statement: Any, **values: Any) -> None:
        with tenant_session(self._engine, self._tenant_id) as session:
            session.execute(statement, {**self._row, **values})

"""Idempotency keys: a POST that is sent again is answered again, and done once.

The answer is kept for a day in the transaction of the operation, so that it is there if and only if the operation was
done. It is encrypted with a key that the database does not hold: answers may contain a new key, which is shown once.
"""

import base64
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

from cryptography.fernet import Fernet
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from starlette.responses import Response

from echolead.operational.models import AnsweredRequest
from ingest_api.control.call import Call
from ingest_api.http.problems import IDEMPOTENCY_KEY_REUSED, INVALID_REQUEST, Problem

KEPT = timedelta(hours=24)
MAX_KEY_CHARACTERS = 255


def once(
    call: Call,
    work: Callable[[Session], Response],
    transaction: Callable[[], AbstractContextManager[Session]] | None = None,
) -> Response:
    """The response of `work`, or the one that the same request got before. Raises `Problem`.

    `work` runs in the operation's own transaction unless another is given.

    Two such requests at once: the second waits for the first, and gets its answer.
    """
    key = call.idempotency_key
    if key is None:
        with (transaction or call.session)() as session:
            return work(session)
    if not 1 <= len(key) <= MAX_KEY_CHARACTERS or not key.isprintable():
        raise Problem(INVALID_REQUEST, f"header.idempotency-key: use 1 to {MAX_KEY_CHARACTERS} printable characters.")
    name = call.control.hash_of("idempotency", f"{call.who.user_id}:{key}".encode()).hex()
    vault = Fernet(base64.urlsafe_b64encode(call.control.hash_of("answer", f"{call.who.user_id}:{key}".encode())))
    with (transaction or call.session)() as session:
        row = _claimed(session, call, name)
        if row.answer is not None:
            return _unpacked(vault.decrypt(row.answer))
        answer = work(session)
        row.answer = vault.encrypt(_packed(answer))
        session.flush()
    return answer


def _claimed(session: Session, call: Call, name: str) -> AnsweredRequest:
    """The row of this key: a new one without an answer, or that of the request before."""
    session.execute(delete(AnsweredRequest).where(AnsweredRequest.answered_at < func.clock_timestamp() - KEPT))
    place = {"tenant_id": call.tenant_id, "user_id": call.who.user_id, "key_hash": name}
    mark = call.fingerprint.hex()
    session.execute(insert(AnsweredRequest).values(**place, fingerprint=mark).on_conflict_do_nothing())
    row = session.scalars(select(AnsweredRequest).filter_by(**place)).one()
    if row.fingerprint != mark:
        raise Problem(IDEMPOTENCY_KEY_REUSED, "Use a new Idempotency-Key for another request.")
    return row


def _packed(answer: Response) -> bytes:
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return json.dumps([answer.status_code, headers, bytes(answer.body).decode()]).encode()


def _unpacked(stored: bytes) -> Response:
    status, headers, body = json.loads(stored)
    return Response(body, status, {**headers, "idempotency-replayed": "true"})

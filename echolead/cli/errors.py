"""The errors that a user can solve, and the sentence for each."""

import psycopg
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, OperationalError

from echolead.embedded.part import PartFailed
from echolead.operational.errors import ChangeRefused
from echolead.operational.migrate import NotProvisioned
from echolead.outbound import UnsafeAddress
from echolead.security import BadKey, Undecryptable

TOLD_AS_THEY_ARE = (ChangeRefused, NotProvisioned, BadKey, Undecryptable, UnsafeAddress, PartFailed)


class CommandFailed(Exception):
    """A command cannot go on; the message is one sentence that says what to do."""


def explain(error: BaseException) -> str | None:
    """The sentence for an error that the user can solve, None for a defect of EchoLead."""
    if isinstance(error, (CommandFailed, *TOLD_AS_THEY_ARE)):
        return str(error)
    if isinstance(error, ValidationError):
        return _settings_error(error)
    if isinstance(error, OperationalError | psycopg.OperationalError):
        reason = str(error.orig if isinstance(error, OperationalError) else error).strip().splitlines()[0]
        return f"PostgreSQL does not answer ({reason}). Start the stack with `echolead up`, or check its address."
    if isinstance(error, DBAPIError) and isinstance(error.orig, psycopg.errors.UndefinedTable):
        return "The operational database has no tables yet. Start the stack once with `echolead up`, which migrates it."
    if isinstance(error, DBAPIError) and isinstance(error.orig, psycopg.errors.IntegrityError):
        detail = error.orig.diag.message_detail or error.orig.diag.message_primary
        return f"The change conflicts with stored data: {detail} Another user may have just made the same change."
    return None


def _settings_error(error: ValidationError) -> str:
    first = error.errors()[0]
    variable = "ECHOLEAD_" + "_".join(str(part) for part in first["loc"]).upper()
    return f"{variable} is wrong: {first['msg']}. See docs/reference/settings.md."

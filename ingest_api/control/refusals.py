"""The errors of operations as problem documents."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from echolead.operational.errors import AlreadyThere, ChangedMeanwhile, ChangeRefused, NotFound
from echolead.outbound import UnsafeAddress
from ingest_api.http.problems import (
    ALREADY_THERE,
    CHANGE_REFUSED,
    CHANGED_MEANWHILE,
    CONTROL_UNAVAILABLE,
    INVALID_REQUEST,
    NO_SUCH_OBJECT,
    Problem,
)

CONFLICTS = (psycopg.errors.IntegrityError, psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what an operation refuses, and a database that does not answer, into a `Problem`."""
    try:
        yield
    except ChangedMeanwhile as error:
        raise Problem(CHANGED_MEANWHILE, str(error), more=error.details()) from error
    except NotFound as error:
        raise Problem(NO_SUCH_OBJECT, str(error)) from error
    except AlreadyThere as error:
        raise Problem(ALREADY_THERE, str(error)) from error
    except (ChangeRefused, UnsafeAddress) as error:
        raise Problem(CHANGE_REFUSED, str(error)) from error
    except (OperationalError, PoolTimeout) as error:
        raise Problem(CONTROL_UNAVAILABLE, "The operational database does not answer.") from error
    except DBAPIError as error:
        if isinstance(error.orig, CONFLICTS):
            raise Problem(ALREADY_THERE, "Another request has just changed the same thing: look again.") from error
        if isinstance(error.orig, psycopg.DataError):
            raise Problem(INVALID_REQUEST, f"A value cannot be stored: {_first_line(error.orig)}.") from error
        raise


def _first_line(error: BaseException) -> str:
    """What the database says of a value: a number that is too large, a text with U+0000."""
    return str(error).partition("\n")[0].rstrip(".")

"""Reading the warehouse from a command, or a sentence that says why it cannot be read."""

from collections.abc import Iterator
from contextlib import contextmanager

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from echolead.cli.addresses import readonly_warehouse_url
from echolead.cli.errors import CommandFailed
from echolead.settings import Settings
from echolead.warehouse import connect

UNKNOWN_TABLE = ("UNKNOWN_TABLE", "UNKNOWN_DATABASE")


@contextmanager
def reading(settings: Settings, *, so_there: str) -> Iterator[Client]:
    """A client of the warehouse that can change nothing.

    Raises `CommandFailed` when there is none, or nothing was loaded yet, with what follows from it: `so_there`.
    """
    url = readonly_warehouse_url(settings)
    try:
        client = connect(url)
    except OperationalError as error:
        raise CommandFailed("The warehouse does not answer: `echolead doctor` shows the cause.") from error
    try:
        yield client
    except DatabaseError as error:
        if not any(code in str(error) for code in UNKNOWN_TABLE):
            raise
        raise CommandFailed(f"Nothing was loaded into the warehouse yet, so there {so_there}.") from error
    finally:
        client.close()

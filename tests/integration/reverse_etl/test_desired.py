"""Chunks of what changed, read from a real warehouse."""

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from echolead import warehouse
from echolead.embedded.clickhouse import EmbeddedWarehouse
from reverse_etl import desired
from reverse_etl.desired import Chunk, DesiredState, Stretch
from tests.integration.reverse_etl.conftest import LEAD_DELIVERIES, MANY

PLACE = ("tenant_id", "lead_id", "destination_id")
COLUMNS = (*PLACE, "destination_kind", "payload", "payload_hash", "turn", "is_deleted")


@pytest.fixture
def client(warehouse_server: EmbeddedWarehouse) -> Iterator[Client]:
    """A warehouse with an empty table of wanted states, of which all versions stay."""
    client = warehouse.connect(warehouse_server.url)
    warehouse.create_databases(client)
    client.command(LEAD_DELIVERIES)
    client.command("system stop merges activation.lead_deliveries")
    yield client
    client.close()


def walk(url: str, rows: int) -> Iterator[Chunk]:
    """The chunks of everything."""
    state = DesiredState(url)
    rest: Stretch | None = Stretch(0, state.newest_turn(0))
    while rest is not None:
        chunk = state.chunk(rest, rows)
        assert chunk is not None
        yield chunk
        rest = chunk.rest
    state.close()


@pytest.mark.parametrize("rows", [1, 2, 7, 60, 1000])
def test_chunks_have_the_newest_version_of_every_key_once_and_the_newest_turns_first(
    warehouse_server: EmbeddedWarehouse, client: Client, rows: int
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201  # to replay a failure
    chosen = random.Random(seed)
    newest: dict[tuple[str, str, str], tuple[int, bool]] = {}
    for turn in sorted(chosen.sample(range(1, 1000), 12)):
        leads = chosen.sample([("a", "1"), ("a", "2"), ("b", "1")] * 15, chosen.choice([1, 2, 7, 40]))
        keys = {(tenant, f"lead-{chosen.randrange(30)}", place) for tenant, place in leads}
        versions = {key: (turn, chosen.random() < 0.2) for key in keys}
        newest |= versions
        client.insert(
            "activation.lead_deliveries",
            [(*key, "chatwoot", "{}", "hash", turn, int(is_ended)) for key, (_, is_ended) in versions.items()],
            column_names=COLUMNS,
        )

    chunks = list(walk(warehouse_server.url, rows))

    read = [change for chunk in chunks for change in chunk.changes]
    assert {change.place: (change.turn, change.is_ended) for change in read} == newest
    assert len(read) == len(newest)
    assert all(len(chunk.changes) <= rows for chunk in chunks)
    turns = [{change.turn for change in chunk.changes} for chunk in chunks if chunk.changes]
    assert all(min(before) >= max(after) for before, after in pairwise(turns))


def test_a_turn_of_few_leads_reads_their_granules_however_much_is_in_the_table(client: Client) -> None:
    client.command(MANY, parameters={"t": "a", "d": "1", "turn": 1, "n": 200_000})
    client.insert(
        "activation.lead_deliveries", [("a", "old-7", "1", "chatwoot", "{}", "new", 2, 0)], column_names=COLUMNS
    )
    key = {"tenant_id": "", "place_key": "", "destination_id": ""}
    asked: dict[str, dict[str, Any]] = {
        desired.NEWEST_TURN: {"after": 1},
        desired.TURNS: {"after": 1, "until": 2, "turns": 2001},
        desired.CHANGES: {"oldest": 2, "newest": 2, "rows": 2000, **key},
        desired.CHANGED_LATER: {"newest": 1, "tenant_ids": ["a"], "place_keys": ["old-7"]},
    }

    read = [rows_read(client, query, parameters) for query, parameters in asked.items()]

    # A granule has 1,024 rows; when the two parts are merged, the row's neighbours are read with it.
    assert all(1 <= rows < 5 * 1024 for rows in read), read
    # Without news: no row.
    assert rows_read(client, desired.NEWEST_TURN, {"after": 2}) == 0


def rows_read(client: Client, query: str, parameters: dict[str, Any]) -> int:
    """Rows that a query over the leads' table reads."""
    return int(client.query(desired.OF_LEADS.query(query), parameters=parameters).summary["read_rows"])


def test_a_further_chunk_of_a_large_turn_reads_from_its_key_on(client: Client) -> None:
    client.command(MANY, parameters={"t": "a", "d": "1", "turn": 1, "n": 200_000})
    asked = {"oldest": 1, "newest": 1, "rows": 2000, "tenant_id": "a", "place_key": "old-9", "destination_id": "1"}

    answer = client.query(desired.OF_LEADS.query(desired.CHANGES), parameters=asked)

    assert len(answer.result_rows) == 2000
    assert int(answer.summary["read_rows"]) < 50_000

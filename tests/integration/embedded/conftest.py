"""Clients of the embedded warehouse, and a database of its own for each test."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import clickhouse_connect
import httpx
import pytest
from clickhouse_connect.driver.client import Client

if TYPE_CHECKING:
    from echolead.embedded.clickhouse import EmbeddedWarehouse


@pytest.fixture
def base_url(warehouse_server: "EmbeddedWarehouse") -> str:
    return f"http://127.0.0.1:{warehouse_server.port}"


@pytest.fixture
def http(warehouse_server: "EmbeddedWarehouse", base_url: str) -> Iterator[httpx.Client]:
    """Plain HTTP with the owner's account."""
    with httpx.Client(base_url=base_url, auth=("echolead", warehouse_server.password), timeout=60) as client:
        yield client


@pytest.fixture
def reader_http(warehouse_server: "EmbeddedWarehouse", base_url: str) -> Iterator[httpx.Client]:
    """Plain HTTP with the operator's account, which is read-only."""
    with httpx.Client(base_url=base_url, auth=("operator", warehouse_server.readonly_password), timeout=60) as client:
        yield client


@pytest.fixture
def database(http: httpx.Client) -> Iterator[str]:
    """A database that is dropped after the test."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    http.post("/", content=f"CREATE DATABASE {name}").raise_for_status()
    yield name
    http.post("/", content=f"DROP DATABASE {name} SYNC").raise_for_status()


@pytest.fixture
def new_client(warehouse_server: "EmbeddedWarehouse", database: str) -> Iterator[Callable[..., Client]]:
    """Makes clickhouse-connect clients on the test's database."""
    made: list[Client] = []

    def make(**options: object) -> Client:
        made.append(clickhouse_connect.get_client(dsn=warehouse_server.url, database=database, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(new_client: Callable[..., Client]) -> Client:
    return new_client()


@pytest.fixture
def spool_dir(warehouse_server: "EmbeddedWarehouse") -> Path:
    """Where the server keeps bodies while it needs them."""
    return warehouse_server.data_dir / "spool"

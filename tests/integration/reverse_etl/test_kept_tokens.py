"""OAuth tokens in PostgreSQL, shared by engines."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from echolead.operational.database import connect, system_session
from echolead.operational.provision import OperationalUrls
from echolead.security import Vault
from reverse_etl.kept_tokens import KeptTokens
from tests.fixtures.operational import SECRET_KEY, make_destination, make_tenant

TOKENS = {"access_token": "access-1", "refresh_token": "refresh-1", "ends_at": 1772359200.5}


@pytest.fixture
def engines(system_engine: Engine, operational_urls: OperationalUrls) -> Iterator[tuple[KeptTokens, KeptTokens]]:
    """The store of one destination, as two engines hold it."""
    tenant_id = make_tenant(system_engine).tenant_id
    destination_id = make_destination(system_engine, tenant_id).destination_id
    database = connect(operational_urls.deliveries)
    one, other = (KeptTokens(database, Vault(SECRET_KEY), tenant_id, destination_id) for _ in range(2))
    yield one, other
    database.dispose()


async def test_one_engine_at_a_time_may_renew_and_the_next_finds_its_tokens(
    engines: tuple[KeptTokens, KeptTokens],
) -> None:
    one, other = engines

    taken = await asyncio.gather(one.take(), other.take())
    assert sorted(taken, key=str) == [None, {}]
    await one.keep(TOKENS)
    assert await other.take() is None
    await one.release()

    assert await other.take() == TOKENS


async def test_the_right_of_an_engine_that_died_ends(
    engines: tuple[KeptTokens, KeptTokens], system_engine: Engine
) -> None:
    one, other = engines
    await one.take()
    with system_session(system_engine) as session:
        session.execute(text("update destination_tokens set held_until = now() - interval '1 s'"))

    assert await other.take() == {}


async def test_tokens_are_encrypted(engines: tuple[KeptTokens, KeptTokens], system_engine: Engine) -> None:
    one, _ = engines
    await one.take()
    await one.keep(TOKENS)

    with system_session(system_engine) as session:
        stored = session.scalars(text("select secrets from destination_tokens where secrets is not null")).all()

    assert stored
    assert not any(b"refresh-1" in secrets for secrets in stored)

"""An account of the demo Pipedrive."""

import pytest

from tests.fixtures.demo_pipedrive import PipedriveAccount


@pytest.fixture
async def pipedrive() -> PipedriveAccount:
    """An account that is prepared."""
    account = PipedriveAccount()
    await account.prepare()
    account.store.writes.clear()
    return account

"""An account of the demo HubSpot."""

import pytest

from tests.fixtures.demo_hubspot import HubSpotAccount


@pytest.fixture
async def hubspot() -> HubSpotAccount:
    """An empty account that is prepared."""
    account = HubSpotAccount()
    await account.prepare()
    return account

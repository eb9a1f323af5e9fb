"""An org of the demo Salesforce."""

import pytest

from tests.fixtures.demo_salesforce import InProcess, made_org


@pytest.fixture
async def salesforce() -> InProcess:
    """An empty org in which setup has been run."""
    made = InProcess(made_org())
    await made.prepare()
    return made

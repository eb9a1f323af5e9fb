"""An account of the demo Chatwoot."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from echolead.demo.chatwoot import create_app
from tests.fixtures.chatwoot_account import InProcess
from tests.fixtures.demo_chatwoot import ACCOUNTS


@pytest.fixture
async def chatwoot(tmp_path: Path) -> AsyncIterator[InProcess]:
    """An empty account."""
    app = create_app(tmp_path / "chatwoot.sqlite", ACCOUNTS)
    async with app.router.lifespan_context(app):
        yield InProcess(app, httpx.ASGITransport(app))

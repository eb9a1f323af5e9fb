"""Restores the state that Streamlit's page tests change."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def own_main_module() -> Iterator[None]:
    """`AppTest` makes its page the module `__main__`, which processes started later would run."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before

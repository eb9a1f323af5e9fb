"""The reference pages match the code."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from echolead.settings import Settings

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """The script that writes the pages."""
    spec = importlib.util.spec_from_file_location("generate", REFERENCE / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["settings.md", "command-line.md", "control-api.md"])
def test_the_page_is_what_the_code_makes(page: str, generate: ModuleType) -> None:
    made = generate.PAGES[page]()
    assert (REFERENCE / page).read_text() == made, "run `python docs/reference/generate.py`"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_means(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description, f"give {name} a docstring in echolead/settings.py"
    assert f"| `ECHOLEAD_{name.upper()}` |" in (REFERENCE / "settings.md").read_text()

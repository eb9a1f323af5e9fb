"""What the project promises of itself: grain, contract and description of every table that leaves staging."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

MODELS = Path(__file__).parents[3] / "dbt_project" / "models"
PERSONAL = {"email", "phone", "phone_variants", "external_id", "ip", "payload", "request", "response", "tracking_id"}
# Staging is the border, and the sets of a turn are read by nobody but the turn.
INSIDE = {"staging", "turn"}


@cache
def described_models() -> dict[str, dict[str, Any]]:
    files = [file for file in MODELS.rglob("*.yml") if "sources" not in file.stem]
    return {model["name"]: model for file in files for model in yaml.safe_load(file.read_text()).get("models", [])}


def published() -> list[str]:
    return sorted(file.stem for file in MODELS.rglob("*.sql") if not INSIDE & set(file.parts))


@pytest.mark.parametrize("name", published())
def test_a_model_has_its_grain_and_a_contract_with_every_column_described(name: str) -> None:
    model = described_models()[name]
    assert model["description"].startswith("One row per ")
    assert model["config"]["contract"]["enforced"]
    assert all(column["description"] and column["data_type"] for column in model["columns"])


@pytest.mark.parametrize("name", published())
def test_personal_data_is_marked(name: str) -> None:
    columns = described_models()[name]["columns"]
    marked = {column["name"] for column in columns if column.get("config", {}).get("meta", {}).get("pii")}
    assert marked >= PERSONAL & {column["name"] for column in columns}

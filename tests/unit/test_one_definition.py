"""A rule written in two languages is the same in both, and a class name has one meaning."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from echolead.events import AD_COOKIE_FIELDS, CLICK_ID_FIELDS, EARLIEST, LATEST, UTM_FIELDS
from echolead.operational.deliveries import REFUSED_CONFIGURATION, STUCK_MINUTES, UNSENT_STATES
from echolead.operational.destination_kinds import KINDS
from reverse_etl.lead import CONVERSATION_PREFIX, Lead

ROOT = Path(__file__).parents[2]
DBT = ROOT / "dbt_project"
PACKAGES = ("dashboards", "dlt_pipelines", "echolead", "ingest_api", "orchestration", "reverse_etl")


def words(macro: str) -> tuple[str, ...]:
    """The names in a macro that returns a list of them."""
    return tuple(re.findall(r"'(\w+)'", (DBT / "macros" / f"{macro}.sql").read_text()))


@pytest.mark.parametrize(
    ("macro", "of_contract"),
    [
        ("utm_names", UTM_FIELDS),
        ("click_id_names", CLICK_ID_FIELDS),
        ("ad_cookie_names", AD_COOKIE_FIELDS),
    ],
)
def test_dbt_has_the_names_of_the_event_contract_in_its_order(macro: str, of_contract: tuple[str, ...]) -> None:
    assert words(macro) == of_contract


def test_each_kind_of_destination_has_its_parts_of_a_payload_and_each_part_is_read() -> None:
    macro = (DBT / "macros" / "payload_keys.sql").read_text()
    kinds = set(re.findall(r"^        '(\w+)': \w+,$", macro, re.MULTILINE))
    assert kinds >= KINDS.keys()
    assert kinds >= set(re.findall(r"'(\w+)'", macro.partition("macro is_ad_platform")[2].partition("endmacro")[0]))
    listed = macro.partition("return({")[0]
    parts = set(re.findall(r"'(\w+)'", listed))
    others = {"conversation", "erased"}  # activation.conversation_deliveries and erasures make them
    assert {field.name for field in fields(Lead)} == parts | {"withheld", "is_withdrawal"} | others


def test_every_click_id_except_gclsrc_has_a_source() -> None:
    seed = (DBT / "seeds" / "click_ids.csv").read_text().splitlines()[1:]
    # gclsrc says where a gclid comes from, and never comes without one.
    assert {line.split(",")[1] for line in seed} == set(CLICK_ID_FIELDS) - {"gclsrc"}


def test_dbt_bounds_times_as_the_collector_and_the_loader_do() -> None:
    macro = (DBT / "macros" / "bounded_time.sql").read_text()
    assert re.findall(r"toDateTime64\('(.+?)', 3, 'UTC'\)", macro) == [f"{EARLIEST:%Y-%m-%d}", f"{LATEST:%Y-%m-%d}"]


def test_the_warehouse_calls_a_delivery_stuck_as_the_ledger_does() -> None:
    project = yaml.safe_load((DBT / "dbt_project.yml").read_text())
    model = (DBT / "models" / "ops" / "stuck_deliveries.sql").read_text()
    found = re.search(r"state in \((.+?)\)\s+and \(\s+created_at <.+?last_error_class in \((.+?)\)", model, re.DOTALL)
    assert project["vars"]["stuck_delivery_minutes"] == STUCK_MINUTES
    assert found is not None
    states, classes = (tuple(re.findall(r"'(\w+)'", each)) for each in found.groups())
    assert (states, classes) == (UNSENT_STATES, REFUSED_CONFIGURATION)


def test_the_warehouse_knows_a_delivery_of_a_conversation_by_the_prefix_of_the_ledger() -> None:
    model = (DBT / "models" / "ops" / "stuck_deliveries.sql").read_text()
    assert f"startsWith(lead_id, '{CONVERSATION_PREFIX}'), 'conversation'" in model


def production_modules() -> Iterator[tuple[str, ast.Module]]:
    """Every production module but migrations, of which each states the tables of its own time."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in file.parts:
                yield str(file.relative_to(ROOT)), ast.parse(file.read_text())


@pytest.fixture(scope="module")
def classes() -> dict[str, list[str]]:
    """The files that define a class, by its name."""
    files = defaultdict(list)
    for file, tree in production_modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                files[node.name].append(file)
    assert files
    return files


def test_a_class_name_is_defined_once_in_production_code(classes: dict[str, list[str]]) -> None:
    assert {name: files for name, files in classes.items() if len(files) > 1} == {}


def test_a_type_alias_has_no_classs_name(classes: dict[str, list[str]]) -> None:
    """Demo products have words of their own: they are other companies' software."""
    named = re.compile(r"[A-Z]\w*[a-z]")
    aliases = [
        (target.id, file)
        for file, tree in production_modules()
        if not file.startswith("echolead/demo/")
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and named.match(target.id)
    ]
    assert aliases
    ours = {name for name, files in classes.items() if not all(file.startswith("echolead/demo/") for file in files)}
    assert [(name, file) for name, file in aliases if name in ours] == []

"""The rooms of `ingest_api` import one another in one direction, and no two modules import each other."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "ingest_api"
MAY_IMPORT: dict[str, set[str]] = {
    "metrics": set(),
    "http": {"metrics"},
    "server": {"http"},
    "events": {"http"},
    "queue": {"http", "events", "metrics"},
    "openapi": {"http", "events"},
    "pages": {"server", "http", "events", "queue", "metrics"},
    "webhooks": {"http", "queue", "openapi", "metrics"},
    "api": {"http", "events", "queue", "openapi", "metrics"},
    "control": {"http"},
    "app": {"http", "events", "queue", "openapi", "pages", "webhooks", "api", "control", "metrics", "server"},
    "__main__": {"server", "metrics"},
}


def modules() -> dict[str, Path]:
    """Every module by its name inside the package, as `http.problems`; rooms themselves as `http`."""
    names = {file: ".".join(file.relative_to(PACKAGE).with_suffix("").parts) for file in PACKAGE.rglob("*.py")}
    return {name.removesuffix(".__init__"): file for file, name in names.items() if name != "__init__"}


def imports(known: dict[str, Path]) -> dict[str, set[str]]:
    """The modules of the package that each of them imports."""
    found: dict[str, set[str]] = {}
    for name, file in known.items():
        targets: set[str] = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                targets |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
        inside = {target.removeprefix("ingest_api.") for target in targets if target.startswith("ingest_api.")}
        found[name] = {target for target in inside if target in known} - {name.partition(".")[0]}
    return found


def room(name: str) -> str:
    """The room of a module; a module beside the rooms stands for itself."""
    return name.partition(".")[0]


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(name: str) -> None:
    graph = imports(modules())
    wrong = {
        module: sorted(target for target in targets if room(target) not in MAY_IMPORT[name] | {name})
        for module, targets in graph.items()
        if room(module) == name
    }
    assert {module: targets for module, targets in wrong.items() if targets} == {}


def test_every_room_has_a_rule() -> None:
    assert {room(name) for name in modules()} == MAY_IMPORT.keys()


def test_rooms_import_one_another_in_one_direction() -> None:
    list(TopologicalSorter(MAY_IMPORT).static_order())  # raises CycleError


def test_modules_import_one_another_in_one_direction() -> None:
    list(TopologicalSorter(imports(modules())).static_order())

"""The rooms of a package and their directions: a room imports only rooms below it, and there is no circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A room may also import itself. In `echolead` all that is in no room of its own is the core.
MAY_IMPORT: dict[str, dict[str, set[str]]] = {
    "echolead": {
        "core": set(),
        "embedded": {"core"},
        "demo": {"core"},
        "cli": {"embedded", "demo", "core"},
    },
    "ingest_api": {
        "metrics": set(),
        "http": {"metrics"},
        "server": {"http"},
        "events": {"http"},
        "queue": {"http", "events", "metrics"},
        "openapi": {"http", "events"},
        "pages": {"server", "http", "events", "queue", "metrics"},
        "webhooks": {"http", "queue", "openapi", "metrics"},
        "api": {"http", "events", "queue", "openapi", "metrics"},
        "control": {"http", "replay"},
        "app": {"http", "events", "queue", "openapi", "pages", "webhooks", "api", "control", "metrics", "server"},
        "replay": {"http", "events"},
        "__main__": {"server", "metrics"},
    },
}


def modules(package: str) -> dict[str, Path]:
    """Every module but migrations by its whole name, a package by its own."""
    files = [file for file in (ROOT / package).rglob("*.py") if "migrations" not in file.parts]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imports(package: str) -> dict[str, set[str]]:
    """The modules of the package that each of them imports, also within functions and for type checkers alone."""
    known = modules(package)
    found: dict[str, set[str]] = {}
    for name, file in known.items():
        found[name] = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names} & known.keys()
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
                found[name] |= {each if each in known else node.module for each in inner.values()} & known.keys()
    return found


def room(module: str) -> str | None:
    """The room of a module. None for the package itself, where it holds nothing and has no rule."""
    package, _, rest = module.partition(".")
    name = rest.partition(".")[0]
    if package == "echolead":
        if name == "__main__":  # `python -m echolead` is the command line
            return "cli"
        return name if name in MAY_IMPORT[package] else "core"
    return name or None


@pytest.mark.parametrize(
    ("package", "name"), [(package, name) for package in MAY_IMPORT for name in MAY_IMPORT[package]]
)
def test_a_room_imports_only_what_it_may(package: str, name: str) -> None:
    allowed = MAY_IMPORT[package][name] | {name}
    wrong = {
        module: outside
        for module, imported in imports(package).items()
        if room(module) == name and (outside := {each for each in imported if room(each) not in allowed})
    }
    assert wrong == {}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_every_room_is_there_and_has_a_rule(package: str) -> None:
    assert {room(module) for module in modules(package)} - {None} == MAY_IMPORT[package].keys()


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_rooms_import_one_another_in_one_direction(package: str) -> None:
    list(TopologicalSorter(MAY_IMPORT[package]).static_order())  # raises CycleError, which names the circle


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_modules_import_one_another_in_one_direction(package: str) -> None:
    list(TopologicalSorter(imports(package)).static_order())  # as above

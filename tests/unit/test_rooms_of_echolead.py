"""The rooms of `echolead` and the directions between them: cli → embedded, demo → core; and no import in a circle."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("embedded", "demo", "cli")
# All that is in no room of its own is the core; `python -m echolead` is the command line.
MAY_IMPORT = {
    "core": {"core"},
    "embedded": {"embedded", "core"},
    "demo": {"demo", "core"},
    "cli": {"cli", "embedded", "demo", "core"},
}


def modules() -> dict[str, Path]:
    """Every module of `echolead`, a package by its own name."""
    names = {}
    for file in (ROOT / "echolead").rglob("*.py"):
        if "migrations" not in file.parts:
            names[".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = file
    return names


def imports(file: Path, known: dict[str, Path]) -> set[str]:
    """The modules of `echolead` that a file imports, also within functions and for type checkers alone."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return found & known.keys()


def room(module: str) -> str:
    name = module.split(".")[1] if "." in module else ""
    if name == "__main__":
        return "cli"
    return name if name in ROOMS else "core"


MODULES = modules()
IMPORTS = {name: imports(file, MODULES) for name, file in MODULES.items()}


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_a_room_imports_what_is_below_it(name: str) -> None:
    wrong = {
        module: outside
        for module, imported in IMPORTS.items()
        if room(module) == name and (outside := {each for each in imported if room(each) not in MAY_IMPORT[name]})
    }
    assert wrong == {}


def test_no_module_imports_itself_by_others() -> None:
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as circle:
        pytest.fail(" ← ".join(circle.args[1]))


def test_every_room_is_there() -> None:
    assert {room(module) for module in MODULES} == MAY_IMPORT.keys()

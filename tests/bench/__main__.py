"""`python -m tests.bench [module …]`: run the benchmarks, print their table, write build/bench.json.

A benchmark is a module of this package with `run() -> list[Figure]`. Figures of an earlier run of other modules stay in
the file. The long ones run only when they are named.
"""

import importlib
import json
import pkgutil
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.figure import Figure

RESULTS = Path("build/bench.json")
NOT_BENCHMARKS = {"__main__", "ceilings", "checking", "figure", "http_load", "noop", "servers", "through_asgi"}
LONG = {"chats", "collector_memory", "console", "lead_rules", "warehouse"}


def main() -> None:
    """Run the modules named on the command line, or all."""
    folder = str(Path(__file__).parent)
    everything = [module.name for module in pkgutil.iter_modules([folder]) if module.name not in NOT_BENCHMARKS]
    wanted = sys.argv[1:] or [name for name in everything if name not in LONG]
    unknown = sorted(set(wanted) - set(everything))
    if unknown:
        sys.exit(f"No such benchmark: {', '.join(unknown)}. There are: {', '.join(everything)}.")
    figures: list[Figure] = []
    for name in wanted:
        figures += importlib.import_module(f"tests.bench.{name}").run()
    write(figures)
    show(figures)


def write(figures: list[Figure]) -> None:
    """Put the figures into the results file, over those of the same names."""
    RESULTS.parent.mkdir(exist_ok=True)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for figure in figures:
        entry = asdict(figure) | {"reached": figure.reached}
        results[entry.pop("name")] = entry
    RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")


def show(figures: list[Figure]) -> None:
    """Print the figures as a table."""
    table = Table("what", "value", "target", "ceiling", "reached")
    words = {True: "yes", False: "NO", None: ""}
    for figure in figures:
        sign = "≤" if figure.lower_is_better else "≥"
        target = "" if figure.target is None else f"{sign} {figure.target:,.6g}"
        ceiling = "" if figure.ceiling is None else f"{figure.ceiling:,.6g}"
        table.add_row(figure.name, f"{figure.value:,.6g} {figure.unit}", target, ceiling, words[figure.reached])
    Console(width=140).print(table)


if __name__ == "__main__":
    main()

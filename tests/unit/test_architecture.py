"""Dependencies point one way, the environment is read in one place, and no file names a package registry."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "echolead": set(),
    "ingest_api": {"echolead"},
    "dlt_pipelines": {"echolead"},
    "reverse_etl": {"echolead"},
    "dashboards": {"echolead"},
    "orchestration": {"echolead", "dlt_pipelines", "reverse_etl"},
}
REGISTRIES = re.compile(r"https?://[\w.-]*(pypi|npmjs|pythonhosted|registry)[\w.-]*\.(org|com)")


def imported_packages(package: str) -> dict[str, set[str]]:
    """Top-level names each file of `package` imports."""
    found = {}
    for file in (ROOT / package).rglob("*.py"):
        names: set[str] = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names.add(node.module.partition(".")[0])
        found[str(file.relative_to(ROOT))] = names
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_dependencies_point_one_way(package: str) -> None:
    forbidden = MAY_IMPORT.keys() - MAY_IMPORT[package] - {package}
    wrong = {file: names & forbidden for file, names in imported_packages(package).items() if names & forbidden}
    assert wrong == {}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_only_settings_reads_the_environment(package: str) -> None:
    # prometheus_client takes the folder its workers share from the environment and from nowhere else.
    reads = re.compile(r"os\.getenv|environ\.get\((?!MULTI_PROCESS_DIR)|environ\[(?!MULTI_PROCESS_DIR)")
    wrong = [str(f) for f in (ROOT / package).rglob("*.py") if f.name != "settings.py" and reads.search(f.read_text())]
    assert wrong == []


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_package_registry() -> None:
    wrong = [str(f) for f in tracked_files() if f.suffix != ".png" and REGISTRIES.search(f.read_text(errors="ignore"))]
    assert wrong == []


def test_the_npm_lock_has_no_resolved_addresses() -> None:
    assert '"resolved"' not in (ROOT / "tracking/package-lock.json").read_text()

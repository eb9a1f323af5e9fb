"""`make audit`: what is known to be vulnerable among the packages that are locked, Python's and npm's.

The databases are OSV's and the npm registry's, or those given. Where one does not answer, as without a network, its
part is skipped, and said to be. Ends with 1 when something was found.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 900


class NotAnswered(Exception):
    """The database did not answer; the message is the tool's last word."""


def answer_of(command: list[str | Path]) -> dict[str, object]:
    """What a tool says as JSON; it ends with 1 where it found something, and where it could not ask."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    try:
        found: dict[str, object] = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise NotAnswered((done.stderr.strip().splitlines() or ["it said nothing"])[-1]) from None
    return found


def vulnerable_python_packages(osv_url: str | None) -> list[str]:
    """A line for each vulnerability. Raises `NotAnswered`."""
    command = [BIN / "pip-audit", "--requirement", ROOT / "requirements" / "base.txt", "--require-hashes",
               "--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json",
               "--vulnerability-service", "osv"]  # fmt: skip
    found = answer_of([*command, *(["--osv-url", osv_url] if osv_url else [])])
    return [
        f"{package['name']} {package['version']}: {each['id']}, mended in {', '.join(each['fix_versions']) or 'none'}"
        for package in found["dependencies"]  # type: ignore[attr-defined]
        for each in package.get("vulns", ())
    ]


def vulnerable_npm_packages(registry: str | None) -> list[str]:
    """A line for each vulnerable package. Raises `NotAnswered`."""
    command = [
        BIN / "npm",
        "--prefix",
        ROOT / "tracking",
        "audit",
        "--package-lock-only",
        "--json",
        "--fetch-retries",
        "0",
    ]
    found = answer_of([*command, *(["--registry", registry] if registry else [])])
    if "vulnerabilities" not in found:
        raise NotAnswered(str(found.get("message", "no report")))
    return [f"{name}: {each['severity']}" for name, each in found["vulnerabilities"].items()]  # type: ignore[attr-defined]


def main() -> int:
    """Ask both."""
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__)
    parser.add_argument("--osv-url", help="another database for Python's packages, which answers as OSV's /v1/query")
    parser.add_argument("--npm-registry", help="another registry to ask about npm's packages")
    arguments = parser.parse_args()
    found_any = False
    for part, look, where in (
        ("Python", vulnerable_python_packages, arguments.osv_url),
        ("npm", vulnerable_npm_packages, arguments.npm_registry),
    ):
        try:
            found = look(where)
        except NotAnswered as error:
            sys.stderr.write(f"\n*** SKIPPED: {part} packages were NOT audited, no database answered: {error} ***\n\n")
            continue
        found_any = found_any or bool(found)
        sys.stdout.write(f"{part}: {len(found)} known vulnerabilities\n" + "".join(f"  {line}\n" for line in found))
    return int(found_any)


if __name__ == "__main__":
    sys.exit(main())

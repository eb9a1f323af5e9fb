"""Third-party packages are listed with their licences, in bills of materials, and checked for vulnerabilities."""

import json
import re
import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.fixtures.parts import free_port

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
NAME = re.compile(r"^([A-Za-z0-9][\w.-]*)==(\S+)", re.MULTILINE)
LOCKED = set(NAME.findall((REQUIREMENTS / "base.txt").read_text()))
# Licences with more obligations for operators than EchoLead's own.
TOO_MUCH = re.compile(r"\b(GPL|AGPL|Affero|SSPL|BUSL|Elastic|Commons|CC-BY-NC|Proprietary|(?<!Lesser )General Public)")
CHOICES = {"text-unidecode"}  # the Artistic licence or the GPL


def test_the_notice_is_what_the_locked_packages_say() -> None:
    made = runpy.run_path(str(REQUIREMENTS / "notice.py"))["notice"]()
    assert (ROOT / "NOTICE").read_text() == made, "run `make notice`"


def test_every_locked_package_has_a_licence_that_fits() -> None:
    lines = [line for line in (ROOT / "NOTICE").read_text().splitlines() if ": " in line]
    licences = {tuple(line.split(": ")[0].split(" ")): line.split(": ")[1] for line in lines}
    assert licences.keys() >= LOCKED
    assert len(LOCKED) > 150
    assert [line for line in lines if TOO_MUCH.search(line) and line.split(" ")[0] not in CHOICES] == []


def test_the_bills_of_materials_name_every_locked_package_with_its_hashes() -> None:
    subprocess.run(["make", "sbom", "-o", ".stamps/dev"], cwd=ROOT, check=True, capture_output=True, timeout=600)
    python = json.loads((ROOT / "build" / "sbom-python.json").read_text())
    npm = json.loads((ROOT / "build" / "sbom-npm.json").read_text())
    assert (python["bomFormat"], npm["bomFormat"]) == ("CycloneDX", "CycloneDX")
    assert {(each["name"], each["version"]) for each in python["components"]} == LOCKED
    assert all(each["externalReferences"][0]["hashes"] for each in python["components"])
    lock = json.loads((ROOT / "tracking" / "package-lock.json").read_text())["packages"]
    tools = {(path.rpartition("node_modules/")[2], each["version"]) for path, each in lock.items() if path}
    names = {(f"{each['group']}/{each['name']}" if each.get("group") else each["name"], each["version"])
             for each in npm["components"]}  # fmt: skip
    assert names <= tools
    assert {name for name, _ in names} >= {"esbuild", "terser"}


@contextmanager
def databases(vulnerable: dict[str, str]) -> Iterator[tuple[str, set[str]]]:
    """OSV and the npm registry, which know of these packages; yields the address and the packages asked about."""
    asked: set[str] = set()

    class Database(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer: dict[str, Any] = {}
            if self.path == "/v1/query":
                name = json.loads(body)["package"]["name"]
                asked.add(name)
                if name in vulnerable:
                    affected = {"package": {"name": name, "ecosystem": "PyPI"}, "ranges": [
                        {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999"}]}]}  # fmt: skip
                    answer = {"vulns": [{"id": vulnerable[name], "summary": "bad", "affected": [affected]}]}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Database) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join(5)


def audit(base: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(REQUIREMENTS / "audit.py"), "--osv-url", f"{base}/v1/query", "--npm-registry", base]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)


def test_the_audit_asks_about_every_locked_package_and_fails_on_what_is_known() -> None:
    with databases({"jinja2": "PYSEC-2099-1"}) as (base, asked):
        done = audit(base)
    assert done.returncode == 1, done.stderr
    # Packages for other systems and versions of Python are not installed, and not asked about.
    assert len({name for name, _ in LOCKED} - asked) <= 5
    assert done.stdout.count("PYSEC-2099-1") == 1
    assert "npm: 0 known" in done.stdout
    assert "SKIPPED" not in done.stderr


def test_an_audit_without_a_database_says_that_it_was_skipped() -> None:
    done = audit(f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 0
    assert done.stderr.count("SKIPPED") == 2
    assert "known vulnerabilities" not in done.stdout

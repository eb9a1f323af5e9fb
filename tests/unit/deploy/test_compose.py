"""The compose file against the Compose specification's schema and against the project's own settings."""

import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from echolead.embedded.nats import COLLECTOR_PUBLISHES
from echolead.queue import COLLECTOR_INBOX
from echolead.settings import Settings

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "docker-compose.yml"
SETTINGS = {f"ECHOLEAD_{name.upper()}" for name in Settings.model_fields}


def services() -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(COMPOSE.read_text())["services"])


def test_the_file_follows_the_compose_specification() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_file_that_breaks_the_specification_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(COMPOSE.read_text().replace("restart: unless-stopped", "restarts: unless-stopped"))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(broken)]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("service", services())
def test_every_echolead_variable_is_a_known_setting(service: str) -> None:
    environment = services()[service].get("environment", {})
    assert {name for name in environment if name.startswith("ECHOLEAD_")} <= SETTINGS


@pytest.mark.parametrize("service", services())
def test_every_image_is_pinned_by_version(service: str) -> None:
    image = services()[service]["image"]
    tag = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", image).rpartition(":")[2]
    assert re.search(r"\d+\.\d+", tag), f"{image} names no version"


def test_every_variable_without_a_default_is_in_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text()))
    example = (ROOT / "deploy/example.env").read_text()
    assert asked == set(re.findall(r"^(\w+)=", example, flags=re.MULTILINE))


def test_only_the_proxy_is_published_to_other_machines() -> None:
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert published.pop("traefik") == ["80:80", "443:443"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


PUBLIC = (
    "/t",
    "/t.js",
    "/t.gif",
    "/t/i",
    "/k7",
    "/k7.js",
    "/k7.gif",
    "/k7/i",
    "/v1/events",
    "/v1/webhooks/chatwoot/abc",
    "/problems/not-found",
)
PRIVATE = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/login",
    "/v1/me",
    "/t/x",
    "/",
    "/tx",
    "/t-js",
    "/k8",
    "/x/t",
)


def routed(path: str) -> bool:
    """Whether a landing page's host leads requests for the path to the collector, with COLLECT_PATHS=/t,/k7."""
    rule = yaml.safe_load((ROOT / "deploy/traefik/routes.yml").read_text())["http"]["routers"]["collect"]["rule"]
    expression, of_collect = re.findall(r"PathRegexp\(`([^`]*({{[^}]*}})[^`]*)`\)", rule)[0]
    assert of_collect == '{{ env "COLLECT_PATHS" | replace "," "|" }}'
    prefixes = re.findall(r"PathPrefix\(`(/[^`]*)`\)", rule)
    return bool(re.search(expression.replace(of_collect, "/t|/k7"), path)) or path.startswith(tuple(prefixes))


@pytest.mark.parametrize("path", PUBLIC)
def test_what_pages_and_products_ask_for_is_led_to_the_collector(path: str) -> None:
    assert routed(path)


@pytest.mark.parametrize("path", PRIVATE)
def test_health_metrics_and_docs_are_not_reached_from_outside(path: str) -> None:
    assert not routed(path)


def test_the_queue_syncs_every_message_and_its_server_reads_the_file() -> None:
    configuration = ROOT / "deploy/nats/nats.conf"
    assert "sync_interval: always" in configuration.read_text()
    done = subprocess.run(
        [str(Path(sysconfig.get_path("scripts")) / "nats-server"), "-t", "--config", str(configuration)],
        env={"NATS_PASSWORD": "a-password", "NATS_COLLECTOR_PASSWORD": "another"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_collector_has_the_same_rights_on_the_queue_as_embedded() -> None:
    configuration = (ROOT / "deploy/nats/nats.conf").read_text()
    assert json.dumps(COLLECTOR_PUBLISHES) in configuration
    assert f'["{COLLECTOR_INBOX}.>"]' in configuration


def test_no_job_of_ours_keeps_capabilities_or_a_writable_root() -> None:
    ours = [service for service in services().values() if "build" in service]
    assert len(ours) == 7
    assert all(service["read_only"] is True and service["cap_drop"] == ["ALL"] for service in ours)


def test_the_console_holds_no_key_and_asks_the_api_inside() -> None:
    environment = services()["console"]["environment"]
    assert environment["ECHOLEAD_API_URL"] == "http://collector:8700"
    assert not {"ECHOLEAD_JWT_SECRET", "ECHOLEAD_SECRET_KEYS", "ECHOLEAD_POSTGRES_SYSTEM_URL"} & environment.keys()


def test_the_proxy_writes_over_no_header_of_ours() -> None:
    routes = yaml.safe_load((ROOT / "deploy/traefik/routes.yml").read_text())["http"]
    assert routes["middlewares"]["https-only"] == {"headers": {"stsSeconds": 31_536_000}}
    for router in ("api", "console"):
        assert routes["routers"][router]["middlewares"] == ["https-only"]

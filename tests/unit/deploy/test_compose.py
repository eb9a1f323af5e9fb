"""The compose file against the Compose specification's schema and against the project's own settings."""

import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from echolead.embedded import environments
from echolead.settings import Settings

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "docker-compose.yml"
SETTINGS = {f"ECHOLEAD_{name.upper()}" for name in Settings.model_fields}


def services() -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(COMPOSE.read_text())["services"])


@pytest.fixture(scope="module")
def specification() -> Draft202012Validator:
    return Draft202012Validator(get_builtin_schema("vendor.compose-spec"))


def test_the_file_follows_the_compose_specification(specification: Draft202012Validator) -> None:
    assert [error.message for error in specification.iter_errors(yaml.safe_load(COMPOSE.read_text()))] == []


def test_a_file_that_breaks_the_specification_is_refused(specification: Draft202012Validator) -> None:
    broken = COMPOSE.read_text().replace("restart: unless-stopped", "restarts: unless-stopped")
    assert not specification.is_valid(yaml.safe_load(broken))


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
    assert published == {"traefik": ["80:80", "443:443"]}


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
def test_the_proxy_routes_collect_and_webhook_paths_to_the_collector(path: str) -> None:
    assert routed(path)


@pytest.mark.parametrize("path", PRIVATE)
def test_health_metrics_and_docs_are_not_reached_from_outside(path: str) -> None:
    assert not routed(path)


def test_the_queue_syncs_every_message_and_its_server_reads_the_file() -> None:
    configuration = ROOT / "deploy/nats/nats.conf"
    assert "sync_interval: always" in configuration.read_text()
    done = subprocess.run(
        [str(Path(sysconfig.get_path("scripts")) / "nats-server"), "-t", "--config", str(configuration)],
        env=dict.fromkeys(re.findall(r"\$(NATS_\w+)", (ROOT / "deploy/nats/users.conf").read_text()), "a-password"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("service", services())
def test_nothing_keeps_capabilities_a_writable_root_or_a_way_to_more_rights(service: str) -> None:
    confined = services()[service]
    assert confined["read_only"] is True
    assert confined["cap_drop"] == ["ALL"]
    assert confined["security_opt"] == ["no-new-privileges:true"]
    # A server that is given its user needs no capability to become it.
    assert confined.get("cap_add", []) == (["NET_BIND_SERVICE"] if service == "traefik" else [])


@pytest.mark.parametrize("name", ["TRAEFIK", "CLICKHOUSE", "POSTGRES", "NATS", "PYTHON", "NODE"])
def test_every_third_party_image_can_be_pinned_by_its_digest(name: str) -> None:
    read = f"${{{name}_DIGEST:-}}"
    lines = [line for line in COMPOSE.read_text().splitlines() if read in line]
    assert len(lines) == 1
    if name in ("PYTHON", "NODE"):
        assert f"${{{name}_DIGEST}}" in (ROOT / "Dockerfile").read_text()
    else:
        assert lines[0].endswith(read)
        assert "image: " in lines[0]
    assert f"# {name}_DIGEST=@sha256:" in (ROOT / "deploy/example.env").read_text()


def test_every_third_party_image_has_a_digest_setting() -> None:
    images = {service["image"] for service in services().values() if "build" not in service}
    bases = set(re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE))
    assert [image for image in images | bases if "_DIGEST" not in image] == []


# Every client of the code server can run code with every secret of the jobs.
NEAR_THE_CODE_SERVER = {"prepare", "dagster-code", "dagster-daemon", "dagster-web"}


def test_dagsters_code_server_listens_on_a_socket_that_only_dagster_sees() -> None:
    command = services()["dagster-code"]["command"]
    path = Settings(data_dir=Path("/data")).dagster_code_socket
    assert command[command.index("--socket") + 1] == str(path)
    assert not {"--port", "-p", "--host", "-h"} & set(command)
    mounted = {
        name for name, service in services().items()
        for volume in service.get("volumes", []) if volume.rpartition(":")[2] == str(path.parent)
    }  # fmt: skip
    assert mounted == NEAR_THE_CODE_SERVER
    assert not any(
        "dagster" in volume for name, service in services().items() if name not in NEAR_THE_CODE_SERVER
        for volume in service.get("volumes", [])
    )  # fmt: skip


def test_the_image_holds_the_sockets_folder_closed_to_others_for_the_volume_to_begin_with() -> None:
    assert "install -d -o echolead -g echolead -m 0700 /data/dagster" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("service", ["dagster-web", "dagster-daemon"])
def test_dagsters_web_server_and_daemon_hold_no_secret_and_reach_no_more_than_they_need(service: str) -> None:
    described = services()[service]
    assert [
        name for name, value in described["environment"].items() if re.search(r"PASSWORD|SECRET|KEY", f"{name}{value}")
    ] == []
    assert described["volumes"] == ["dagster:/data/dagster"]
    assert "outbound" not in described["networks"]


def test_dagsters_pages_are_served_through_the_gate_and_the_proxy_only() -> None:
    web = services()["dagster-web"]
    assert web["entrypoint"] == ["python", "-m", "orchestration.web"]
    assert "ports" not in web
    assert not any("dagster_webserver" in str(service) or "dagster-webserver" in str(service)
                   for service in services().values())  # fmt: skip
    path = urlsplit(
        web["environment"]["ECHOLEAD_DAGSTER_URL"].replace("${PUBLIC_CONSOLE_URL:?}", "https://c.test")
    ).path
    routes = yaml.safe_load((ROOT / "deploy/traefik/routes.yml").read_text())["http"]
    assert f"(Path(`{path}`) || PathPrefix(`{path}/`))" in routes["routers"]["dagster"]["rule"]
    assert routes["services"]["dagster"]["loadBalancer"]["servers"] == [{"url": "http://dagster-web:8702"}]
    assert services()["collector"]["environment"]["ECHOLEAD_DAGSTER_URL"] == web["environment"]["ECHOLEAD_DAGSTER_URL"]


# A service of the compose file, and the part of the embedded stack that does the same.
SAME = {
    "collector": "collector",
    "console": "console",
    "prepare": "prepare",
    "setup": "set-up",
    "dagster-code": "dagster-code",
}


@pytest.mark.parametrize(("service", "part"), SAME.items())
def test_a_service_has_no_secret_that_its_embedded_part_lacks(service: str, part: str) -> None:
    environment = services()[service]["environment"]
    secret = {name for name, field in Settings.model_fields.items() if field.annotation is SecretStr}
    has = {name for name in secret if f"ECHOLEAD_{name.upper()}" in environment}
    # The steps share the environment of what follows them: `prepare` that of the jobs, `setup` the operator's.
    shared = {"prepare": set(environments.SECRETS["dagster-code"])}.get(service, set())
    assert has <= set(environments.SECRETS[part]) | shared


def test_the_queue_knows_the_password_of_each_of_its_users() -> None:
    told = services()["nats"]["environment"]
    assert set(told) == set(re.findall(r"\$(NATS_\w+)", (ROOT / "deploy/nats/users.conf").read_text()))
    assert "./deploy/nats/users.conf:/etc/nats/users.conf:ro" in services()["nats"]["volumes"]


def test_no_service_has_an_account_that_administers_all_tenants() -> None:
    holders = {
        name for name, service in services().items() if "ECHOLEAD_POSTGRES_SYSTEM_URL" in service.get("environment", {})
    }
    assert holders == {"setup", "operator"}


def test_the_console_holds_no_key_and_asks_the_api_inside() -> None:
    environment = services()["console"]["environment"]
    assert environment["ECHOLEAD_API_URL"] == "http://collector:8700"
    assert not {"ECHOLEAD_JWT_SECRET", "ECHOLEAD_SECRET_KEYS", "ECHOLEAD_POSTGRES_SYSTEM_URL"} & environment.keys()


def test_the_proxy_overwrites_none_of_our_headers() -> None:
    routes = yaml.safe_load((ROOT / "deploy/traefik/routes.yml").read_text())["http"]
    assert routes["middlewares"]["https-only"] == {"headers": {"stsSeconds": 31_536_000}}
    for router in ("api", "console", "dagster"):
        assert routes["routers"][router]["middlewares"] == ["https-only"]
    assert {name for router in routes["routers"].values() for name in router["middlewares"]} <= set(
        routes["middlewares"]
    )

"""The OpenAPI document against a running collector: answers match it, and accepted data can be loaded.

Requests are made from the document by schemathesis, valid and invalid ones, the same in every run.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_schema_validator import OAS31Validator
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import Engine

from dlt_pipelines.collector.rows import EventRows, RejectedRows
from dlt_pipelines.collector.stream import StreamMessage
from dlt_pipelines.collector.webhooks import WebhookRows
from echolead.embedded.nats import EmbeddedNats
from echolead.operational.database import system_session
from echolead.operational.models import ApiKey
from echolead.operational.provision import OperationalUrls
from echolead.operational.users import create_user
from echolead.security import new_api_key
from ingest_api.openapi.sessions import CREDENTIALS
from tests.fixtures.operational import SECRET_KEY
from tests.fixtures.queue_messages import messages
from tests.fixtures.webhooks import PUBLIC_URL, make_webhook
from tests.integration.ingest_api.conftest import CollectorProcess, MakeCollector, make_body

EXAMPLES = 20  # of each operation and kind
CHECKS = [
    not_a_server_error,  # 503 is one: the queue is there
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
"""Checks of an answer, but not that invalid data is refused: a bad event is accepted as a dead letter."""

OPERATIONS = [
    "POST /t", "OPTIONS /t", "POST /t/i", "OPTIONS /t/i", "GET /t.gif", "GET /t.js", "HEAD /t.js", "POST /v1/events",
    "POST /v1/webhooks/{source}/{endpoint}", "POST /v1/login", "GET /v1/me", "PATCH /v1/me", "POST /v1/logout",
    "GET /healthz", "GET /readyz", "GET /problems/{name}",
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Described:
    """A running collector with its description, and credentials for it."""

    collector: CollectorProcess
    document: dict[str, Any]
    tokens: dict[str, str]
    webhook_paths: list[dict[str, str]]

    def operation(self, label: str) -> Any:
        """An operation by method and path."""
        config = schemathesis.Config.from_dict({})
        method, path = label.split()
        return schemathesis.openapi.from_dict(self.document, config=config)[path][method]


@pytest.fixture(scope="module")
def described(
    streams: EmbeddedNats, system_engine: Engine, operational_urls: OperationalUrls,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Described]:  # fmt: skip
    """A collector with a script, an API key, and unsigned webhooks."""
    script = tmp_path_factory.mktemp("dist") / "t.js"
    script.write_text("f();")
    collector = MakeCollector(system_engine, operational_urls)(
        streams,
        ECHOLEAD_SCRIPT_FILE=str(script),
        ECHOLEAD_COLLECTOR_SECRET_KEYS=SECRET_KEY,
        ECHOLEAD_COLLECTOR_URL=PUBLIC_URL,
    )
    key = new_api_key()
    with system_session(system_engine) as session:
        session.add(ApiKey(tenant_id=collector.tenant_id, name="tests", key_prefix=key.prefix, key_hash=key.key_hash))
        create_user(session, CREDENTIALS["email"], CREDENTIALS["password"], actor="test")
    open_to_all = [make_webhook(system_engine, collector.tenant_id, each, allow_unsigned=True)
                   for each in ("chatwoot", "rdstation")]  # fmt: skip
    signed = make_webhook(system_engine, collector.tenant_id, "standard")
    with collector.running():
        document = httpx.get(f"{collector.url}/openapi.json", trust_env=False).json()
        paths = [{"source": each.source, "endpoint": each.endpoint} for each in (*open_to_all, signed)]
        tokens = {"/v1/events": key.key, "/v1/me": session_token(collector.url)}
        yield Described(collector, document, tokens, paths)


def session_token(url: str) -> str:
    """A token of a new session."""
    return str(httpx.post(f"{url}/v1/login", json=CREDENTIALS, trust_env=False).json()["token"])


@pytest.mark.parametrize("label", OPERATIONS)
def test_answers_match_the_description(described: Described, label: str) -> None:
    statuses: Counter[int] = Counter()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        operation = described.operation(label)

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def post(case: Any) -> None:
            is_let_in = statuses.total() % 2 == 0
            statuses[called(case, described, is_let_in)] += 1

        # Where nothing can be wrong with a request, none can be made.
        with suppress(Unsatisfiable) if mode is GenerationMode.NEGATIVE else nullcontext():
            post()
    print(label, dict(statuses))  # noqa: T201
    wanted = {int(status) for status in described.operation(label).responses.status_codes if status.startswith("2")}
    assert wanted & statuses.keys(), "nothing was ever taken, so little was tested"


def called(case: Any, described: Described, is_let_in: bool) -> int:
    """Send one case with the tenant's host, with what is needed to be let in or without it, and check the answer."""
    headers = {"host": described.collector.host}
    path = case.operation.path
    if is_let_in and path in described.tokens:
        headers["authorization"] = f"Bearer {described.tokens[path]}"
    if is_let_in and path == "/v1/login":
        case.body = CREDENTIALS
    if is_let_in and path == "/v1/logout":  # it ends the session, so each needs its own
        headers["authorization"] = f"Bearer {session_token(described.collector.url)}"
    if is_let_in and "{endpoint}" in path:
        case.path_parameters = described.webhook_paths[len(str(case.body)) % len(described.webhook_paths)]
    answer = case.call(base_url=described.collector.url, headers=headers)
    case.validate_response(answer, checks=CHECKS)
    return int(answer.status_code)


async def test_the_loader_reads_every_accepted_event(described: Described) -> None:
    """After everything above: each event, dead letter and webhook in the queue is a row."""
    tenant_id = described.collector.tenant_id
    rows: Counter[str] = Counter()
    for stream, read in (("events", EventRows), ("webhooks", WebhookRows), ("dead", RejectedRows)):
        subject = f"{stream}.{tenant_id}"
        lines = await messages(described.collector.nats, f"{subject}.>" if stream == "webhooks" else subject)
        found = read([StreamMessage(subject, number, 1, line, "") for number, line in enumerate(lines)])
        if isinstance(found, RejectedRows):
            tables = {"rejected_events": found.table()}
            assert set(tables["rejected_events"]["stage"].to_pylist()) == {"collector"}
        else:
            tables = found.tables()
            assert found.dead == []
        rows.update({name: table.num_rows for name, table in tables.items()})
    print(dict(rows))  # noqa: T201
    assert all(rows[name] for name in ("events", "rejected_events", "chatwoot_events"))


def test_every_operation_is_tested_and_has_a_tag_and_a_security_scheme(described: Described) -> None:
    """Operations of the control API are asked for in control/test_control_description.py."""
    paths = described.document["paths"]
    operations = {f"{method.upper()} {path}": each for path, item in paths.items() for method, each in item.items()}
    control = {label for label, each in operations.items() if "x-operation" in each}
    assert operations.keys() - control == set(OPERATIONS)
    tags = {tag["name"] for tag in described.document["tags"]}
    assert all(len(each["tags"]) == 1 and set(each["tags"]) <= tags for each in operations.values())
    guarded = {label for label, each in operations.items() if each.get("security")}
    assert guarded - control == {
        *("POST /v1/events", "POST /v1/webhooks/{source}/{endpoint}", "GET /v1/me", "PATCH /v1/me", "POST /v1/logout")
    }
    assert control <= guarded


def test_every_json_body_has_examples_that_are_what_its_schema_says(described: Described) -> None:
    paths = {label.split()[1] for label in OPERATIONS}
    found = list(json_contents({path: described.document["paths"][path] for path in paths}))
    assert len(found) > 60
    control = [
        (f"{method} {path}", each)
        for path, item in described.document["paths"].items()
        for method, each in item.items()
        if "x-operation" in each and "requestBody" in each
    ]
    found += [(label, content) for label, each in control for content in each["requestBody"]["content"].values()]
    for where, content in found:
        examples = [each["value"] for each in content.get("examples", {}).values()]
        examples += [content["example"]] if "example" in content else []
        assert examples, where
        schema = {**content["schema"], "components": described.document["components"]}
        for example in examples:
            OAS31Validator(schema).validate(example)


def json_contents(node: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each media type that is JSON or whose body is, with its place."""
    for name, value in node.items() if isinstance(node, dict) else ():
        if name == "content":
            yield from ((f"{where} {kind}", each) for kind, each in value.items() if "json" in kind)
        else:
            yield from json_contents(value, f"{where} {name}")


@pytest.mark.parametrize(
    ("label", "problems"),
    [
        pytest.param("POST /t", {"too-many-events-a-minute", "quota-reached", "origin-not-allowed"}, id="events"),
        pytest.param("POST /t/i", {"not-an-identity", "origin-not-allowed", "method-not-allowed"}, id="identity"),
        pytest.param("GET /t.gif", {"too-many-events-a-minute", "unknown-host", "origin-not-allowed"}, id="pixel"),
        pytest.param("POST /v1/events", {"invalid-key", "quota-reached", "tenants-unavailable"}, id="server events"),
        pytest.param("POST /v1/login", {"wrong-password", "too-many-sign-ins", "invalid-request"}, id="sign-in"),
    ],
)
def test_the_problems_of_an_operation_are_described(described: Described, label: str, problems: set[str]) -> None:
    method, path = label.split()
    responses = described.document["paths"][path][method.lower()]["responses"]
    told = {name for each in responses.values() for kind in each.get("content", {}).values()
            for name in kind.get("examples", ())}  # fmt: skip
    assert problems <= told


async def test_every_collect_path_answers_as_described_while_the_queue_is_down(
    described: Described, own_nats: EmbeddedNats, collector_beside: MakeCollector
) -> None:
    collector = collector_beside(own_nats)
    with collector.running(ready_path="/healthz"):
        for label in ("POST /t", "GET /t.gif", "GET /readyz"):
            case = described.operation(label).Case()
            if label == "POST /t":
                case = described.operation(label).Case(body=json.loads(make_body()), media_type="application/json")
            answer = case.call(base_url=collector.url, headers={"host": collector.host})
            assert answer.status_code == 503
            case.validate_response(answer, checks=CHECKS[1:])

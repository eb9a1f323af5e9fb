"""The control API as described: schemathesis asks for each operation as a platform administrator.

Objects that the paths name are there, so that operations come to their end and not only to "no such object".
"""

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from pydantic import SecretStr
from schemathesis.generation import GenerationMode

from echolead.operational.database import system_session
from echolead.operational.models import QuarantineEntry
from echolead.settings import Settings
from ingest_api.app import create_app
from tests.fixtures.control_api import ControlApi
from tests.integration.ingest_api.test_description import CHECKS

EXAMPLES = 2  # of each operation and kind, beside the examples of the document
DOCUMENT: dict[str, Any] = create_app(
    Settings(
        nats_url=SecretStr("nats://none"),
        postgres_collector_url=SecretStr("postgresql:///none"),
        postgres_api_url=SecretStr("postgresql:///none"),
        jwt_secret=SecretStr("k" * 32),
    )
).api.openapi()
OPERATIONS = [
    (method, path) for path, item in DOCUMENT["paths"].items() for method, each in item.items() if "x-operation" in each
]


@pytest.fixture(scope="module")
def schema() -> Any:
    """The document as schemathesis reads it."""
    return schemathesis.openapi.from_dict(DOCUMENT, config=schemathesis.Config.from_dict({}))


def objects(control: ControlApi, path: str) -> dict[str, str]:
    """A tenant of its own with the objects that a path names, by these names."""
    tenant = control.tenant()

    def made(place: str, body: Any = None) -> Any:
        return control.ask("platform", "POST", f"/v1/tenants/{tenant}/{place}", "", body).json()

    def quarantined() -> str:
        with system_session(control.system) as session:
            row = QuarantineEntry(tenant_id=tenant, tracking_id="v", step="s", message="m", models_version="1")
            session.add(row)
            session.flush()
            return str(row.quarantine_id)

    hook = {"configuration": {"url": "https://a.example"}, "secrets": {"secret": "whsec_" + "MfKQ" * 8}}
    makers: dict[str, Callable[[], str]] = {
        "tenant_id": lambda: tenant,
        "email": lambda: control.user({tenant: "viewer"}),
        "host": lambda: made("hosts", {"host": f"{tenant}.example"})["host"],
        "key_prefix": lambda: made("keys", {"name": "a"})["key_prefix"],
        "name": lambda: made("destinations", {"kind": "webhook", **hook})["name"],
        "task_id": lambda: made("replays/trials", {})["task_id"],
        "request_id": lambda: made("replays", {"reason": "why"})["request_id"],
        "quarantine_id": quarantined,
        "day": lambda: "2026-12-25",
        "filter_id": lambda: made("saved-filters", {"page": "leads", "name": "a", "address": {}})["filter_id"],
    }
    # Of the others there is none: no operation makes them, or the warehouse has them.
    return {name: makers.get(name, lambda: str(uuid4()))() for name in re.findall(r"\{(\w+)\}", path)}


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(each) for each in OPERATIONS])
def test_an_operation_answers_as_it_is_described(
    control_with_data: ControlApi, schema: Any, method: str, path: str
) -> None:
    operation, known = schema[path][method], objects(control_with_data, path)
    statuses = asked(control_with_data, operation, known, GenerationMode.POSITIVE)
    assert not {401, 403, 405} & statuses.keys()
    with suppress(Unsatisfiable):  # where nothing can be wrong with a request, none can be made
        statuses += asked(control_with_data, operation, known, GenerationMode.NEGATIVE)
    print(method, path, dict(statuses))  # noqa: T201


def asked(control: ControlApi, operation: Any, known: dict[str, str], mode: GenerationMode) -> Counter[int]:
    """How often each status was answered to requests of one kind."""
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if mode is GenerationMode.POSITIVE or statuses.total() % 2:
            case.path_parameters = {name: known[name] for name in case.path_parameters or {}}
        headers = {"Authorization": f"Bearer {control.token_of('platform', '')}"}
        answer = case.call(base_url=str(control.client.base_url), headers=headers)
        case.validate_response(answer, checks=CHECKS)
        statuses[answer.status_code] += 1

    ask()
    return statuses

"""Webhooks in staging: once each, the first copy, whatever order the copies were loaded in."""

import pytest

from orchestration.dbt.runner import DbtFailed
from tests.factories import moment, raw_webhook
from tests.integration.dbt.conftest import Project

MODELS = "path:models/staging/webhooks"


@pytest.fixture
def empty(project: Project) -> Project:
    """The project with empty raw tables."""
    project.forget()
    return project


def test_of_the_copies_of_a_delivery_the_one_received_first_counts(empty: Project) -> None:
    again = raw_webhook("d-1", received_at=moment(3), loaded_at=moment(4), payload='{"copy": 2}')
    first = raw_webhook("d-1", received_at=moment(0), loaded_at=moment(9), payload='{"copy": 1}')
    empty.write("chatwoot_events", [again, first, {**first, "_dlt_load_id": "2"}])
    empty.run("build", MODELS)
    assert empty.query("select delivery_id, payload, received_at from staging.stg_webhooks__chatwoot_events") == [
        {"delivery_id": "d-1", "payload": '{"copy": 1}', "received_at": moment(0)}
    ]
    assert empty.query("select count() as rows from raw.chatwoot_events") == [{"rows": 3}]


def test_a_delivery_id_is_of_one_tenant_and_one_product(empty: Project) -> None:
    sent = [("acme", "hubspot"), ("acme", "pipedrive"), ("bistro", "hubspot"), ("acme", "hubspot")]
    empty.write("crm_events", [raw_webhook("d-1", tenant_id=tenant_id, source=source) for tenant_id, source in sent])
    empty.run("build", MODELS)
    found = empty.query("select tenant_id, source from staging.stg_webhooks__crm_events order by all")
    assert [(row["tenant_id"], row["source"]) for row in found] == sorted(set(sent))


def test_a_product_that_is_not_a_crm_is_found_in_the_crm_events(empty: Project) -> None:
    empty.write("crm_events", [raw_webhook("d-1", source="chatwoot")])
    with pytest.raises(DbtFailed, match="accepted_values"):
        empty.run("build", MODELS)

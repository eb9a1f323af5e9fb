"""Who is left out for a model that fails, on a real database; what the search finds is given."""

from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest

from echolead.operational.database import connect, system_session
from echolead.operational.provision import OperationalUrls
from echolead.operational.quarantine import quarantined
from echolead.operational.warehouse_requests import Extent, Progress, RequestRecord, ask, get_request
from echolead.settings import Settings
from orchestration.dbt.runner import NodeFailure
from orchestration.live import blame as module
from orchestration.live.blame import Blame
from orchestration.live.culprit import Culprit
from tests.fixtures.operational import make_tenant

STEP = "model marts.leads"
FAILURE = NodeFailure(("marts", "leads"), "Code: 395. DB::Exception: boom", "select 1")
LOST = NodeFailure(("marts", "leads"), "Code: 241. DB::Exception: too little memory", "select 1")
VISITOR, TENANT = Culprit("culpada", "e", "v"), Culprit("culpada")
Blamed = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def settings(empty_operational_urls: OperationalUrls) -> Settings:
    """A database with tenant culpada."""
    engine = connect(empty_operational_urls.system)
    make_tenant(engine, "culpada")
    engine.dispose()
    return Settings(
        postgres_loader_url=empty_operational_urls.loader, postgres_system_url=empty_operational_urls.system
    )


@pytest.fixture
def blamed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Blamed:
    """Lets a model fail once for each of these findings; (tenant, visitor) of those who are left out then."""
    blame = Blame(settings, "1")

    def fail(*found: Culprit | None, failure: NodeFailure = FAILURE, request_id: str = "") -> list[tuple[str, str]]:
        for culprit in found:
            monkeypatch.setattr(module, "find_culprit", lambda *_, culprit=culprit: culprit)
            blame.mirrored(blame.quarantined)
            blame.look_for(STEP, failure, request_id)
            if blame._thread is not None:
                blame._thread.join(60)
        with closing(psycopg.connect(settings.postgres_loader_url.get_secret_value())) as connection:
            return [(each.tenant_id, each.tracking_id) for each in quarantined(connection)]

    fail.blame = blame  # type: ignore[attr-defined]
    return fail


def test_the_visitor_that_is_found_is_left_out_and_found_again_its_tenant(blamed: Blamed) -> None:
    assert blamed(VISITOR) == [("culpada", "v")]
    assert blamed(VISITOR) == [("culpada", "v"), ("culpada", "")]
    assert blamed(VISITOR, TENANT, TENANT) == [("culpada", "v"), ("culpada", "")]


def test_a_tenant_is_only_left_out_when_two_searches_in_a_row_find_no_visitor(blamed: Blamed) -> None:
    assert blamed(TENANT) == []
    assert blamed(Culprit("culpada", "e", "w"), TENANT) == [("culpada", "w")]
    assert blamed(TENANT) == [("culpada", "w"), ("culpada", "")]


@pytest.mark.parametrize(
    ("found", "failure"), [(None, FAILURE), (VISITOR, LOST), (Culprit("nobody", "e", "v"), FAILURE)]
)
def test_what_is_nobodys_or_may_pass_leaves_nobody_out(
    blamed: Blamed, found: Culprit | None, failure: NodeFailure
) -> None:
    assert blamed(found, found, failure=failure) == []


def test_until_the_warehouse_knows_nothing_is_looked_for(blamed: Blamed, monkeypatch: pytest.MonkeyPatch) -> None:
    blame: Blame = blamed.blame  # type: ignore[attr-defined]
    blamed(VISITOR)
    assert blame.is_ahead
    monkeypatch.setattr(module, "find_culprit", lambda *_: pytest.fail("it is searched for"))
    before = blame._thread
    blame.look_for(STEP, FAILURE, "")
    assert blame._thread is before
    blame.mirrored(blame.quarantined)
    assert not blame.is_ahead


def test_a_request_that_failed_on_the_visitor_is_tried_again_when_the_warehouse_knows(
    blamed: Blamed, settings: Settings
) -> None:
    engine = connect(settings.postgres_system_url.get_secret_value())
    with system_session(engine) as session:
        request_id = ask(session, "culpada", Extent(), actor="x", reason="y").request_id
    blame: Blame = blamed.blame  # type: ignore[attr-defined]
    blamed(VISITOR, request_id=str(request_id))
    with closing(RequestRecord(settings.postgres_loader_url.get_secret_value())) as requests:
        requests.failed(Progress(str(request_id), "culpada", "replay"), "boom")
    assert blame.mirrored(blame.quarantined) == {str(request_id)}
    assert blame.mirrored(blame.quarantined) == set()
    with system_session(engine) as session:
        assert get_request(session, request_id).state == "waiting"
    engine.dispose()

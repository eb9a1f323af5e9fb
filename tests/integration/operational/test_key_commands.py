"""`echolead key`: shown once, rotated, revoked, one name for one working key."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from echolead.operational.api_keys import create_key
from echolead.operational.database import system_session
from echolead.operational.errors import AlreadyThere
from echolead.operational.models import ApiKey
from echolead.security import new_api_key, read_api_key
from tests.fixtures.command_line import Run, RunJson
from tests.fixtures.operational import make_tenant


def test_a_key_is_shown_once_rotated_and_revoked(run_json: RunJson, slug: str, system_engine: Engine) -> None:
    run_json("tenant", "create", slug)
    created = run_json("key", "create", slug, "site-backend")
    presented = read_api_key(created["key"])
    assert presented is not None
    with system_session(system_engine) as session:
        stored = session.execute(text("select * from api_keys where tenant_id = :t"), {"t": slug}).mappings().one()
    assert presented.matches(stored["key_hash"])
    assert presented.secret not in str(dict(stored))
    assert "key" not in run_json("key", "list", slug)[0]

    successor = run_json("key", "rotate", slug, created["prefix"])
    assert [key["revoked_at"] is None for key in run_json("key", "list", slug)] == [False, True]
    run_json("key", "revoke", slug, successor["key"])  # the whole key is understood, too
    assert [key["revoked_at"] is None for key in run_json("key", "list", slug)] == [False, False]


def test_a_name_is_unique_among_working_keys(run: Run, run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    run_json("tenant", "create", f"{slug}-b")
    first = run_json("key", "create", slug, "site-backend")
    refused = run("key", "create", slug, " site-backend ")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert f"has a key site-backend already ({first['prefix']}): give another name" in refused.stderr
    run_json("key", "create", slug, "Site-backend")
    run_json("key", "create", f"{slug}-b", "site-backend")
    # A key is replaced by one of its name, and a name is free once its key is revoked.
    second = run_json("key", "rotate", slug, first["prefix"])
    run_json("key", "revoke", slug, second["prefix"])
    run_json("key", "create", slug, "site-backend")
    working = [key["name"] for key in run_json("key", "list", slug) if key["revoked_at"] is None]
    assert working == ["Site-backend", "site-backend"]


def test_concurrent_requests_for_one_name_make_one_key(slug: str, system_engine: Engine) -> None:
    make_tenant(system_engine, slug)
    with ThreadPoolExecutor(1) as other:
        with system_session(system_engine) as session:
            create_key(session, slug, "site-backend", actor="test")
            second = other.submit(_create_key, system_engine, slug)
            with pytest.raises(TimeoutError):
                second.result(0.5)
        with pytest.raises(AlreadyThere):
            second.result(20)


def _create_key(engine: Engine, tenant_id: str) -> None:
    with system_session(engine) as session:
        create_key(session, tenant_id, "site-backend", actor="test")


def test_keys_of_an_earlier_version_that_share_a_name_are_rotated_by_prefix(
    run_json: RunJson, slug: str, system_engine: Engine
) -> None:
    make_tenant(system_engine, slug)
    made = [new_api_key(), new_api_key()]
    with system_session(system_engine) as session:
        session.add_all(
            ApiKey(tenant_id=slug, name="twin", key_prefix=key.prefix, key_hash=key.key_hash) for key in made
        )
    run_json("key", "rotate", slug, made[0].prefix)
    run_json("key", "revoke", slug, made[1].prefix)
    assert [key["name"] for key in run_json("key", "list", slug) if key["revoked_at"] is None] == ["twin"]

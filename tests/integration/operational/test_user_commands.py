"""`echolead user`: roles, passwords, and the sessions that a change ends."""

from sqlalchemy import Engine, text

from echolead.operational.database import system_session
from echolead.operational.identities import ProvenIdentity, user_of_identity
from echolead.operational.sessions import open_session
from echolead.operational.users import get_user
from tests.fixtures.command_line import Run, RunJson


def test_a_user_is_created_with_roles_and_granted_others(run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    run_json("tenant", "create", f"{slug}-b")
    email = f"Ana@{slug}.test"
    created = run_json("user", "create", email, "--name", "Ana", "--role", f"{slug}=viewer")
    assert len(created["password"]) >= 16
    run_json("user", "grant", email, slug, "admin")
    run_json("user", "grant", email, f"{slug}-b", "operator")
    [user] = [user for user in run_json("user", "list") if user["email"] == email.lower()]
    assert user["roles"] == {slug: "admin", f"{slug}-b": "operator"}
    assert run_json("user", "set-password", email, "--password-stdin", stdin="a-long-password\n") == {"email": email}
    run_json("user", "remove-role", email, f"{slug}-b")
    [user] = [user for user in run_json("user", "list") if user["email"] == email.lower()]
    assert user["roles"] == {slug: "admin"}


def test_a_user_is_disabled_enabled_and_deleted_and_their_sessions_end(
    run_json: RunJson, slug: str, system_engine: Engine
) -> None:
    run_json("tenant", "create", slug)
    email = f"ana@{slug}.test"
    run_json("user", "create", email, "--role", f"{slug}=viewer")

    def open_two() -> None:
        with system_session(system_engine) as session:
            assert all(open_session(session, get_user(session, email)) for _ in range(2))

    open_two()
    assert run_json("user", "revoke", email) == {"email": email, "sessions_ended": 2}
    assert run_json("user", "revoke", email) == {"email": email, "sessions_ended": 0}
    open_two()
    assert run_json("user", "disable", email) == {"email": email, "is_active": False}
    assert run_json("user", "enable", email) == {"email": email, "is_active": True}
    assert run_json("user", "revoke", email) == {"email": email, "sessions_ended": 0}
    open_two()
    assert run_json("user", "delete", email) == {"email": email, "deleted": True}
    assert email not in {user["email"] for user in run_json("user", "list")}
    with system_session(system_engine) as session:
        left = "select count(*) from user_sessions left join users using (user_id) where users.user_id is null"
        assert session.scalar(text(left)) == 0
        acts = session.execute(
            text("select action, detail from audit_log where subject = :e order by audit_id"), {"e": email}
        ).all()
    assert [act.action for act in acts] == [
        *("user.created", "user.role_granted", "user.sessions_revoked", "user.sessions_revoked", "user.disabled"),
        *("user.enabled", "user.sessions_revoked", "user.deleted"),
    ]
    assert acts[4].detail == {"sessions_ended": 2}


def test_a_company_account_is_unlinked_and_sessions_end(
    run_json: RunJson, run: Run, slug: str, system_engine: Engine
) -> None:
    email = f"ana@{slug}.test"
    run_json("user", "create", email)
    with system_session(system_engine) as session:
        identity = ProvenIdentity("https://login.test", f"sub of {slug}", email, is_verified=True)
        assert open_session(session, user_of_identity(session, identity))
    assert run_json("user", "unlink", email) == {"email": email, "sessions_ended": 1}
    refused = run("user", "unlink", email)
    assert refused.exit_code == 2
    assert "there is nothing to unlink" in refused.stderr

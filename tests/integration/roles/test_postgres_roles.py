"""The rights of each role of PostgreSQL, tried one by one: `pytest -s` prints the matrix.

An action is tried in a transaction that is rolled back. It counts as allowed when PostgreSQL does it to at least one
row: the tables' owner, whom row-level security binds, may name them and sees nothing.
"""

import sys
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from echolead.embedded.postgres import EmbeddedPostgres
from echolead.operational.database import connect, system_session, tenant_session
from echolead.operational.isolation import SERVICE_POLICY
from echolead.operational.models import Base
from echolead.operational.provision import GUESTS, ROLE_OF, SERVICES, OperationalUrls, provision
from tests.fixtures.every_table import fill_every_table
from tests.fixtures.operational import PASSWORDS

REFUSED = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.UndefinedTable,  # Dagster's own database has none of ours
)

OUTSIDE = ("create database", "alter system")
"""What takes no transaction around it."""

# Action, SQL, who may. `{tenant}` and `{destination}` are rows of two tenants that are there.
READING = {
    "read tenants' settings for collecting": (
        "select collect_path, ip_policy from tenants",
        "api app collector system",
    ),
    "read tenants' names": ("select name from tenants", "api loader system app"),
    "read hosts": ("select host from tenant_hosts", "collector loader system app"),
    "read rates": ("select rate from tenant_rates", "loader system app"),
    "read origins": ("select origin from tenant_origins", "collector system app"),
    "read hashes of API keys": ("select key_hash from api_keys", "collector system app"),
    "read webhooks' secrets": ("select secrets from webhook_endpoints", "collector system"),
    "read the chat widget's secrets": ("select secrets from tenants", "collector system"),
    "read destinations' secrets": ("select secrets from destinations", "deliveries system"),
    "read destinations' tokens": ("select secrets from destination_tokens", "deliveries system"),
    "read where leads go": ("select configuration from destinations", "loader deliveries system app"),
    "read which products leads go to": (
        "select kind from destinations where is_enabled",
        "collector loader deliveries system app",
    ),
    "read what is delivered": ("select payload from deliveries", "deliveries system app"),
    "read states of deliveries": ("select state, last_error from deliveries", "loader deliveries system app"),
    "read which deliveries take something back": ("select erasure_id from deliveries", "loader deliveries system app"),
    "read whose contacts are masked": ("select chat_contacts from erasures", "loader deliveries system app"),
    "read who is erased": ("select person from erasures", "loader system app"),
    "read attempts": ("select request, response from delivery_attempts", "deliveries loader system app"),
    "read ids at destinations": ("select remote_id from destination_records", "deliveries loader system app"),
    "read which fields are left out": ("select left_out from destination_fields", "deliveries loader system app"),
    "read users": ("select email from users", "owner api system"),
    "read password hashes": ("select password_hash from users", "owner api system"),
    "read who users are at the identity provider": ("select subject from user_identities", "owner api system"),
    "read filters that users keep": ("select address from saved_filters", "system app"),
    "read users' roles": ("select role from user_tenants", "api system app"),
    "read sign-in attempts": ("select subject from sign_in_attempts", "owner api system"),
    "read counts of events": ("select events from collector_counts", "owner collector system"),
    "read how far is planned": ("select planned_turn from planning_position", "owner deliveries system"),
    "read what is to be computed again": ("select state from warehouse_requests", "loader system app"),
    "read decisions about leads": ("select kind from lead_decisions", "loader system app"),
    "read whose rows are left out": ("select message from quarantine", "loader system app"),
    "read which files the lake has": ("select path from lake_files", "loader system app"),
    "read how far the lake is": ("select position from lake_positions", "owner loader system"),
    "read stages of deals": ("select stage from deal_stages", "loader system app"),
    "read how pulls of deals stand": ("select message from deal_pulls", "deliveries system app"),
    "read where spend is pulled from": ("select platform from spend_sources", "deliveries system app"),
    "read secrets of ad accounts": ("select secrets from spend_sources", "deliveries system"),
    "read how pulls of spend stand": ("select message from spend_pulls", "deliveries system app"),
    "read names of campaigns": ("select alias from campaign_aliases", "loader system app"),
    "read channel rules": ("select channel, conditions from channel_rules", "loader system app"),
    "read excluded referrers": ("select host from excluded_referrers", "loader system app"),
    "read settings of chats": ("select keeps_texts from chat_settings", "loader deliveries system app"),
    "read limits of agents": ("select most_open from chat_members", "loader system app"),
    "read how far chats are pulled": ("select reached_at from chat_pulls", "deliveries system app"),
    "read compiled rules": ("select version, rules from lead_rule_sets", "loader system app"),
    "read why rules were changed": ("select reason from lead_rule_sets", "system app"),
    "read business hours": ("select document from business_hours", "loader system app"),
    "read who is being erased": ("select lead_id, person from erasures", "loader system app"),
    "read tasks of the control API": ("select result from control_tasks", "loader system app"),
    "read answers that are kept": ("select answer from answered_requests", "api system app"),
    "read the audit log": ("select action from audit_log", "api system app"),
}
WRITING = {
    "change a tenant": ("update tenants set name = name where tenant_id = '{tenant}'", "system app"),
    "add a host": ("insert into tenant_hosts (tenant_id, host) values ('{tenant}', 'new.test')", "app system"),
    "set a rate": (
        "insert into tenant_rates (tenant_id, currency, from_date, rate) values ('{tenant}', 'EUR', '2026-01-01', 6)",
        "app system",
    ),
    "name a channel": (
        "insert into channel_rules (tenant_id, position, channel, conditions) values ('{tenant}', 7, 'c', '[]')",
        "app system",
    ),
    "map a stage of deals": (
        "insert into deal_stages (tenant_id, destination_id, pipeline_id, stage_id, stage) "
        "values ('{tenant}', '{destination}', 'p', '{unique}', 'won')",
        "app system",
    ),
    "note which fields are left out": ("update destination_fields set left_out = '[]'", "deliveries system"),
    "note a pull of deals": ("update deal_pulls set message = 'x'", "deliveries system"),
    "note a pull of spend": ("update spend_pulls set message = 'x'", "deliveries system"),
    "let a name stand for a campaign": (
        "insert into campaign_aliases (tenant_id, platform, alias, campaign_id) "
        "values ('{tenant}', 'meta_ads', '{unique}', '1')",
        "app system",
    ),
    "let a host be no source": (
        "insert into excluded_referrers (tenant_id, host) values ('{tenant}', '{unique}.test')",
        "app system",
    ),
    "keep texts of chats": ("update chat_settings set keeps_texts = true", "app system"),
    "limit an agent": (
        "insert into chat_members (tenant_id, kind, name, most_open) values ('{tenant}', 'agent', '{unique}', 5)",
        "app system",
    ),
    "note how far chats are pulled": ("update chat_pulls set reached_at = now()", "deliveries system"),
    "put rules in force": (
        "insert into lead_rule_sets (tenant_id, version, document, source, rules, digest, author, reason) "
        "values ('{tenant}', 7, '{{}}', '', '[]', '', 'x', 'y')",
        "app system",
    ),
    "rewrite a version of rules": ("update lead_rule_sets set rules = '[]'", ""),
    "forget a version of rules": ("delete from lead_rule_sets", ""),
    "change business hours": ("update business_hours set document = '{{}}'", "app system"),
    "make an API key": (
        "insert into api_keys (tenant_id, name, key_prefix, key_hash) values ('{tenant}', 'k', '{unique}', 'h')",
        "app system",
    ),
    "put another API key in place": ("update api_keys set key_hash = 'mine'", "system app"),
    "revive a revoked API key": ("update api_keys set revoked_at = null", "system app"),
    "note an API key's use": ("update api_keys set last_used_at = now()", "collector system app"),
    "change a webhook's secrets": ("update webhook_endpoints set secrets = 'x'", "system app"),
    "send leads elsewhere": ("update destinations set configuration = '{{}}'", "system app"),
    "switch a destination off": (
        "update destinations set is_enabled = false, disabled_at = now(), disabled_reason = 'x'",
        "deliveries system app",
    ),
    "change destinations' secrets": ("update destinations set secrets = 'x'", "system app"),
    "put other tokens in place": ("update destination_tokens set secrets = 'x'", "deliveries system"),
    "forget tokens": ("delete from destination_tokens", "system"),
    "plan a delivery": (
        "insert into deliveries (tenant_id, destination_id, lead_id, payload_hash, payload) "
        "values ('{tenant}', '{destination}', '{unique}', 'h', '{{}}')",
        "app deliveries system",
    ),
    "change deliveries": ("update deliveries set state = 'verified'", "deliveries system app"),
    "note what is left of a quota": ("update destination_quotas set calls_left = 7", "deliveries system"),
    "ask for a resync": ("insert into resyncs (tenant_id, requested_by) values ('{tenant}', 'x')", "app system"),
    "stop a resync": ("update resyncs set state = 'stopped'", "deliveries system app"),
    "say how far a resync is": ("update resyncs set due = 7", "deliveries system"),
    "list what a resync sends": (
        "insert into resync_deliveries (resync_id, delivery_id, tenant_id, position, before) "
        "select resync_id, delivery_id, tenant_id, 1, '{{}}' from resyncs join deliveries using (tenant_id) "
        "where resync_id not in (select resync_id from resync_deliveries) limit 1",
        "deliveries system",
    ),
    "plan everything once more": ("update planning_position set planned_turn = 0", "owner deliveries system"),
    "forget how far is planned": ("delete from planning_position", "owner system"),
    "rewrite attempts": ("update delivery_attempts set outcome = 'delivered'", "system"),
    "count events": (
        "insert into collector_counts (subject, ends_at, events) values ('{unique}', now(), 1)",
        "owner collector system",
    ),
    "note a sign-in attempt": ("insert into sign_in_attempts (subject) values ('{unique}')", "owner api system"),
    "hash a password anew": ("update users set password_hash = password_hash", "owner api system"),
    "be a user at the identity provider": (
        "insert into user_identities (issuer, subject, user_id, email) "
        "select '{unique}', 's', user_id, email from users limit 1",
        "owner api system",
    ),
    "give an identity to another user": ("update user_identities set user_id = user_id", "owner system"),
    "keep a filter": (
        "insert into saved_filters (tenant_id, user_id, page, name, address) "
        "select '{tenant}', user_id, 'leads', '{unique}', '{{}}' from user_tenants "
        "where tenant_id = '{tenant}' limit 1",
        "app system",
    ),
    "change a user's language": ("update users set language = 'en'", "owner api system"),
    "open a session for somebody": (
        "insert into user_sessions (user_id, ends_at) select user_id, now() from users limit 1",
        "owner api system",
    ),
    "prolong a session": ("update user_sessions set ends_at = now()", "owner system"),
    "write down that a step of the live path fails": (
        "insert into live_steps (step, tenant_id) values ('{unique}', '{tenant}')",
        "loader system",
    ),
    "ask for something to be computed again": (
        "insert into warehouse_requests (tenant_id, kind, requested_by) values ('{tenant}', 'replay', 'x')",
        "app loader system",
    ),
    "note how far a request has come": ("update warehouse_requests set position = 'v'", "loader system"),
    "forget a request": ("delete from warehouse_requests", "system"),
    "leave a visitor out": (
        "insert into quarantine (tenant_id, tracking_id, step, message, models_version) "
        "values ('{tenant}', '{unique}', 's', 'm', '1')",
        "loader system",
    ),
    "release a visitor": ("update quarantine set released_at = now()", "app loader system"),
    "name another visitor that was left out": ("update quarantine set tracking_id = tracking_id", "system"),
    "forget that a visitor was left out": ("delete from quarantine", "loader system"),
    "ask for an erasure": (
        "insert into erasures (tenant_id, lead_id, lead_hash, reason, requested_by) "
        "values ('{tenant}', '{unique}', 'h', 'r', 'x')",
        "app system",
    ),
    "ask for an erasure of what is received later": (
        "insert into erasures (tenant_id, lead_id, lead_hash, reason, requested_by, received_before) "
        "values ('{tenant}', '{unique}', 'h', 'r', 'x', '2100-01-01')",
        "system",
    ),
    "note how far an erasure is": ("update erasures set step = 'withdraw'", "loader system"),
    "note what destinations took back": ("update erasures set withdrawals = '[]'", "loader system"),
    "give a destination up": ("update erasures set given_up = '{{}}'", "app system"),
    "erase a lead's other moment": ("update erasures set received_before = now()", "system"),
    "forget an erasure": ("delete from erasures", "system"),
    "erase what was sent": ("delete from delivery_attempts", "deliveries system"),
    "erase ids at destinations": ("delete from destination_records", "deliveries system app"),
    "erase decisions about leads": ("delete from lead_decisions", "loader system"),
    "erase what tasks found": ("delete from control_tasks", "loader system"),
    "note a file of the lake": (
        "insert into lake_files (tenant_id, source, day, path, first_load, last_load) "
        "values ('{tenant}', 'events', '2026-03-01', '{unique}', '1', '1')",
        "loader system",
    ),
    "note that a file of the lake is replaced": ("update lake_files set state = 'replaced'", "loader system"),
    "give a file of the lake another checksum": ("update lake_files set sha256 = 'x'", "system"),
    "forget files of the lake": ("delete from lake_files", "loader system"),
    "note how far the lake is": ("update lake_positions set position = '2'", "owner loader system"),
    "merge two leads": (
        "insert into lead_decisions (tenant_id, kind, lead_id, other_lead_id, decided_by, reason) "
        "values ('{tenant}', 'merge', 'a', 'c', 'x', 'y')",
        "app system",
    ),
    "take a decision back": ("update lead_decisions set is_reverted = true", "app system"),
    "ask for a task": (
        "insert into control_tasks (tenant_id, kind, asked, requested_by) "
        "values ('{tenant}', 'rules_trial', '{{}}', 'x')",
        "app system",
    ),
    "write down what a task found": ("update control_tasks set result = '{{}}'", "loader system"),
    "ask a task for something else": ("update control_tasks set asked = '{{}}'", "system"),
    "rewrite a decision": ("update lead_decisions set decided_by = 'somebody else'", "system"),
    "delete what failed": ("delete from live_steps", "system"),
    "make a user a superuser": ("update users set is_superuser = true", "owner system"),
    "let a disabled user in again": ("update users set is_active = true", "api owner system"),
    "make a user": ("insert into users (email, password_hash) values ('{unique}@new.test', 'x')", "api owner system"),
    "give a user a role": ("update user_tenants set role = 'admin'", "api system app"),
    "write to the audit log": (
        "insert into audit_log (actor, action, subject) values ('x', 'y', 'z')",
        "api deliveries loader system",
    ),
    "rewrite the audit log": ("update audit_log set actor = 'somebody else'", ""),
    "empty a table": ("truncate collector_counts", "owner"),
    "move the migrations' mark": (
        "update alembic_version set version_num = '0001' where length(version_num) = 4",
        "owner",
    ),
}
RULING = {
    "make a table": ("create table public.mine (x int)", "owner dagster"),
    "make a temporary table": ("create temporary table mine (x int)", "owner dagster"),
    "make a schema": ("create schema mine", "owner dagster"),
    "make a function that runs as its owner": (
        "create function public.mine() returns int language sql security definer as 'select 1'",
        "owner dagster",
    ),
    "make a large object": ("select lo_from_bytea(0, 'x')", "dagster"),
    "turn row-level security off": ("alter table tenants disable row level security", "owner"),
    "make a policy": ("create policy mine on tenants using (true)", "owner"),
    "take a trigger away": ("alter table tenants disable trigger all", ""),
    "make oneself a superuser": ("alter role current_user superuser", ""),
    "pass row-level security by an attribute": ("alter role current_user bypassrls", ""),
    "make a role": ("create role mine", ""),
    "make a database": ("create database mine", ""),
    "become the superuser": ("set role postgres", ""),
    "become the operator's role": ("set role echolead_system", "system"),
    "become the owner": ("set role echolead_owner", "owner"),
    "become the delivery engine": ("set role echolead_deliveries", "deliveries"),
    "start the session over as the superuser": ("set session authorization postgres", ""),
    "give oneself a predefined role": ("grant pg_read_server_files to current_user", ""),
    "give oneself another's rights": ("grant echolead_system to current_user", ""),
    "read the server's files": ("select pg_read_file('PG_VERSION')", ""),
    "load a file": ("copy alembic_version from '/etc/passwd'", ""),
    "run a program": ("copy (select 1) to program 'true'", ""),
    "read roles' passwords": ("select rolpassword from pg_authid", ""),
    "read the server's configuration file": ("select * from pg_hba_file_rules", ""),
    "load an extension that calls other servers": ("create extension dblink", ""),
    "load an untrusted extension": ("create extension file_fdw", ""),
    "end another's connection": (
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres'",
        "",
    ),
    "read others' statements": (
        "select query from pg_stat_activity where usename = 'postgres' and query not like '<insufficient%'",
        "",
    ),
    "change a setting of the server": ("alter system set log_statement = 'all'", ""),
    "take a lease": ("select pg_try_advisory_xact_lock(1, 1)", "owner system loader deliveries dagster"),
}
ACTIONS = {**READING, **WRITING, **RULING}


@pytest.fixture(scope="module")
def tenants(system_engine: Engine) -> tuple[str, str]:
    """Two tenants with a row in each table."""
    made = (f"roles-one-{uuid4().hex[:6]}", f"roles-two-{uuid4().hex[:6]}")
    for tenant_id in made:
        fill_every_table(system_engine, tenant_id)
    with system_session(system_engine) as session:
        session.execute(text("insert into resyncs (tenant_id, requested_by) values (:t, 'x')"), {"t": made[0]})
        session.execute(text("insert into sign_in_attempts (subject) values ('roles')"))
        session.execute(text("insert into collector_counts (subject, ends_at, events) values ('roles', now(), 1)"))
    return made


@pytest.fixture(scope="module")
def superuser(postgres_server: EmbeddedPostgres) -> Iterator[None]:
    """Another connection, whose statements a role could try to read."""
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute("select 'a statement of somebody else'")
        yield


def is_allowed(connection: psycopg.Connection, statement: str, tenant_id: str | None = None) -> bool:
    """Whether PostgreSQL does it, to one row at least."""
    connection.autocommit = statement.startswith(OUTSIDE)
    if tenant_id is not None and not connection.autocommit:
        connection.execute("select set_config('echolead.tenant_id', %s, true)", [tenant_id])
    try:
        return connection.execute(statement.encode()).rowcount != 0
    except REFUSED:
        return False
    finally:
        connection.rollback()


def test_each_role_may_do_what_its_service_needs_and_nothing_else(
    operational_urls: OperationalUrls, system_engine: Engine, tenants: tuple[str, str], superuser: None
) -> None:
    mine, _ = tenants
    with system_session(system_engine) as session:
        destination = session.scalar(text("select destination_id from destinations where tenant_id = :t"), {"t": mine})
    names = {"tenant": mine, "destination": str(destination)}
    found = {}
    for role in ROLE_OF:
        with psycopg.connect(getattr(operational_urls, role)) as connection:
            for action, (statement, _) in ACTIONS.items():
                told = statement.format(unique=uuid4().hex[:10], **names)
                in_tenant = mine if role == "app" else None  # its transactions always have one
                found[action, role] = is_allowed(connection, told, in_tenant)
    print_matrix(found)
    expected = {(action, role): role in may.split() for action, (_, may) in ACTIONS.items() for role in ROLE_OF}
    wrong = {cell: allowed for cell, allowed in found.items() if allowed != expected[cell]}
    assert wrong == {}


def print_matrix(found: dict[tuple[str, str], bool]) -> None:
    """A line an action, a column a role."""
    width = max(map(len, ACTIONS))
    lines = ["  ".join([f"\n{'PostgreSQL':<{width}}", *ROLE_OF])]
    for action in ACTIONS:
        cells = [("yes" if found[action, role] else "-").ljust(len(role)) for role in ROLE_OF]
        lines.append("  ".join([f"{action:<{width}}", *cells]))
    sys.stdout.write("\n".join(lines) + "\n")


@pytest.mark.parametrize("role", ROLE_OF)
def test_a_role_connects_to_its_database_alone(role: str, operational_urls: OperationalUrls) -> None:
    server = getattr(operational_urls, role).rpartition("/")[0]
    own, other = ("dagster", "echolead") if role == "dagster" else ("echolead", "dagster")
    psycopg.connect(f"{server}/{own}").close()
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(f"{server}/{other}")


def test_no_role_is_a_member_of_another_or_owns_a_function_that_lends_its_rights(
    postgres_server: EmbeddedPostgres, operational_urls: OperationalUrls
) -> None:
    ours = list(ROLE_OF.values())
    database = postgres_server.url.rpartition("/")[0] + "/echolead"
    with psycopg.connect(database) as connection:
        members = connection.execute(
            "select m.rolname, g.rolname from pg_auth_members a join pg_roles m on m.oid = a.member "
            "join pg_roles g on g.oid = a.roleid where m.rolname = any(%s)",
            [ours],
        ).fetchall()
        lending = connection.execute(
            "select proname from pg_proc where prosecdef and proowner::regrole::text = any(%s)", [ours]
        ).fetchall()
        extensions = connection.execute("select extname from pg_extension").fetchall()
        creators = connection.execute(
            "select r.rolname, n.nspname from pg_roles r, pg_namespace n "
            "where r.rolname = any(%s) and has_schema_privilege(r.oid, n.oid, 'CREATE')",
            [list(GUESTS)],
        ).fetchall()
    # It gives an audit entry its hash, and writes nothing that its caller chooses.
    assert (members, lending, extensions, creators) == ([], [("chain_audit_entry",)], [("plpgsql",)], [])


def test_set_up_revokes_memberships_of_roles(
    postgres_server: EmbeddedPostgres, operational_urls: OperationalUrls
) -> None:
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute("grant echolead_system, pg_read_server_files to echolead_collector")
    with psycopg.connect(operational_urls.collector) as collector:
        assert is_allowed(collector, "set role echolead_system")
        provision(postgres_server.url, PASSWORDS)
        assert not is_allowed(collector, "set role echolead_system")
        assert not is_allowed(collector, "select pg_read_file('PG_VERSION')")


def test_every_tenants_table_that_a_service_reaches_has_its_policy(system_engine: Engine) -> None:
    with system_session(system_engine) as session:
        reached = session.scalars(
            text(
                "select distinct c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid, "
                "unnest(cast(:services as text[])) as role "
                "where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attname = 'tenant_id' "
                "and has_any_column_privilege(role, c.oid, 'SELECT, INSERT, UPDATE') order by 1"
            ),
            {"services": list(SERVICES)},
        ).all()
        policed = session.scalars(
            text("select tablename from pg_policies where policyname = :policy order by 1"), {"policy": SERVICE_POLICY}
        ).all()
    assert reached == policed


@pytest.mark.parametrize("role", ["collector", "api", "loader", "deliveries"])
def test_in_a_tenants_session_a_service_sees_that_tenant_alone(
    role: str, operational_urls: OperationalUrls, tenants: tuple[str, str]
) -> None:
    mine, theirs = tenants
    engine = connect(getattr(operational_urls, role))
    seen = {}
    for table in Base.metadata.sorted_tables:
        statement = text(f"select distinct tenant_id from {table.name}")
        try:
            with system_session(engine) as session:
                of_all = set(session.scalars(statement))
        except ProgrammingError:  # it may not read this table
            continue
        assert {mine, theirs} <= of_all
        with tenant_session(engine, mine) as session:
            seen[table.name] = session.scalars(statement).all()
    engine.dispose()
    assert "tenants" in seen
    assert set(map(tuple, seen.values())) == {(mine,)}

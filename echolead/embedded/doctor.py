"""The checks of `echolead doctor`: problems of a stack, and how to solve them."""

import asyncio
import http.client
import json
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_connect.driver.exceptions
import nats
import nats.errors
import nats.js
import psycopg
from clickhouse_connect.driver.client import Client
from nats.js.errors import APIError, NotFoundError
from sqlalchemy import NullPool, create_engine, make_url

from echolead import queue, warehouse
from echolead.embedded import registry
from echolead.embedded.condition import condition
from echolead.embedded.part import port_is_open
from echolead.lake_lag import lake_lag
from echolead.operational.deals import failing_pulls
from echolead.operational.deliveries import STUCK_MINUTES, DeliveriesInTrouble, deliveries_in_trouble
from echolead.operational.erasures import late_erasures
from echolead.operational.live_steps import trouble
from echolead.operational.migrate import is_current
from echolead.operational.quarantine import quarantined
from echolead.operational.spend import failing_spend_pulls
from echolead.operational.warehouse_requests import failed_requests
from echolead.ports import Port
from echolead.settings import WIDER, Settings
from echolead.warehouse_accounts import DATABASES

LOW_DISK_BYTES, FULL_DISK_BYTES = 5 * 1024**3, 1024**3
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

SET_ASIDE = """
select tenant_id, field, reason, count() as number, argMax(event_id, received_at)
from ops.set_aside
where received_at > now() - interval 1 day
group by tenant_id, field, reason order by number desc limit 20
"""

UNMAPPED = """
select
    tenant_id, destination_name, count() as stages, sum(deals) as with_deals,
    arraySlice(arrayMap(each -> each.2, arraySort(groupArray((-toInt64(deals), stage_label)))), 1, 3) as some
from ops.unmapped_stages
group by tenant_id, destination_name order by with_deals desc, tenant_id, destination_name limit 20
"""

LEFT_OUT = """
select tenant_id, destination_name, field, reason from ops.left_out_fields
order by tenant_id, destination_name, field limit 20
"""

GAPS = """
select tenant_id, platform, reason, campaigns, visits, leads, cost from ops.spend_gaps order by leads desc limit 20
"""


@dataclass(frozen=True)
class Symptom:
    """The result of one check. `level`: ok, note (works, with a limitation), wrong."""

    level: str
    subject: str
    sentence: str
    remedy: str = ""


def examine(settings: Settings) -> list[Symptom]:
    """Run all checks, whether the stack runs or not."""
    findings = [*_stack(settings), *_disk(settings), *_programs(settings)]
    if settings.postgres_system_url.get_secret_value():
        findings += _accounts(settings)
        findings += _asked(
            "PostgreSQL", lambda: _postgres(settings), "migrations and deliveries could not be looked at"
        )
        findings += _asked("Queue", lambda: _queue(settings), "streams and lag could not be looked at")
        findings += _asked("Warehouse", lambda: _warehouse(settings), "tables could not be looked at")
    return findings


def _stack(settings: Settings) -> Iterator[Symptom]:
    record = registry.read_record(settings.data_dir)
    if record is not None and record.is_running():
        found = condition(settings.data_dir)
        yield Symptom("ok" if found.is_up else "note", "Stack", found.summary)
        for part in found.parts:
            if part.state not in ("ready", "done"):
                log = settings.data_dir / "logs" / f"{part.name}.log"
                yield Symptom("wrong", part.name, f"{part.state}: {part.readiness or 'no reason given'}", f"Read {log}")
            elif part.restarts:
                log = settings.data_dir / "logs" / f"{part.name}.log"
                yield Symptom("note", part.name, f"serves, but was restarted {part.restarts} times", f"Read {log}")
        return
    if record is not None and (left := registry.leftovers(record, settings.data_dir)):
        names = ", ".join(sorted({part.name for part, _ in left}))
        yield Symptom(
            "wrong",
            "Stack",
            f"its supervisor (process {record.supervisor_pid}) is gone and left these running: {names}",
            "Run `echolead up`: it ends them and starts anew.",
        )
        return
    yield Symptom("wrong", "Stack", f"nothing runs in {settings.data_dir}", "Start it with `echolead up`.")
    yield from _ports(settings)


def _ports(settings: Settings) -> Iterator[Symptom]:
    taken = [port for port in Port if port_is_open("127.0.0.1", port.of(settings.port_base))]
    for port in taken:
        yield Symptom(
            "wrong",
            "Ports",
            f"something listens on {port.of(settings.port_base)}, where {port.name.lower()} belongs",
            "Stop it, or choose other ports with `echolead up --port-base`.",
        )
    if not taken:
        yield Symptom("ok", "Ports", f"free from {settings.port_base} to {settings.port_base + max(Port)}")


def _disk(settings: Settings) -> Iterator[Symptom]:
    directory = settings.data_dir if settings.data_dir.exists() else settings.data_dir.parent
    free = shutil.disk_usage(directory).free
    sentence = f"{free / 1024**3:.1f} GiB free where {settings.data_dir} is"
    if free < FULL_DISK_BYTES:
        yield Symptom(
            "wrong", "Disk", sentence, "Make room: a full disk stops the queue, and the collector answers 503."
        )
    elif free < LOW_DISK_BYTES:
        yield Symptom("note", "Disk", sentence, "Make room soon.")
    else:
        yield Symptom("ok", "Disk", sentence)


def _programs(settings: Settings) -> Iterator[Symptom]:
    script = settings.script_file
    if script.exists():
        others = len(list(script.parent.glob(f"{script.stem}.*{script.suffix}")))
        yield Symptom("ok", "Script", f"built, {script.stat().st_size} bytes; {others} builds with fewer features")
    else:
        yield Symptom("wrong", "Script", f"{script} is not there", "Build it: `make up` does.")
    node = Path(sys.executable).parent / "node"
    if node.exists() or shutil.which("node"):
        yield Symptom("ok", "Node.js", "there, for building the script")
    else:
        yield Symptom("note", "Node.js", "not there; only building the script needs it", "`make up` installs it.")
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium:
        yield Symptom("ok", "Chromium", f"{chromium}, for the browser tests")
    else:
        yield Symptom("note", "Chromium", "not there; only `make test` needs it", "On Debian: apt install chromium")


def _asked(subject: str, ask: Callable[[], Iterator[Symptom]], otherwise: str) -> list[Symptom]:
    """The findings of one server; a server that does not answer is a finding as well."""
    try:
        return list(ask())
    except (
        OSError,
        http.client.HTTPException,
        psycopg.Error,
        nats.errors.Error,
        APIError,
        clickhouse_connect.driver.exceptions.Error,
    ) as error:
        said = str(error).strip().splitlines()
        sentence = f"does not answer ({said[0] if said else type(error).__name__}); {otherwise}"
        return [Symptom("wrong", subject, sentence, "Start the stack with `echolead up`, or check its address.")]


def _accounts(settings: Settings) -> Iterator[Symptom]:
    """Services without their own account or key, which use one with more rights."""
    own = {narrow: wide for narrow, wide in WIDER.items() if getattr(settings, wide).get_secret_value()}
    wide_ones = [narrow for narrow, wide in own.items() if getattr(settings, narrow) == getattr(settings, wide)]
    if wide_ones:
        names = ", ".join(f"ECHOLEAD_{name.upper()}" for name in wide_ones)
        yield Symptom("note", "Accounts", f"not set: {names}", "Services use wider ones: docs/decisions/0017-roles.md.")
    else:
        yield Symptom("ok", "Accounts", "each service has its own, with what it needs")


def _postgres(settings: Settings) -> Iterator[Symptom]:
    with psycopg.connect(settings.postgres_system_url.get_secret_value(), connect_timeout=3) as connection:
        if connection.execute("select to_regclass('public.deliveries')").fetchone() == (None,):
            yield Symptom("wrong", "Migrations", "the operational database is empty", "Run `echolead up` (or `setup`).")
            return
        yield from _live_path(connection)
        yield from _requests(connection)
        yield from _quarantine(connection)
        yield from _erasures(connection)
        yield from _pulls(connection)
        yield from _spend_pulls(connection)
        in_trouble = deliveries_in_trouble(connection)
    if settings.postgres_url.get_secret_value():
        yield _migrations(settings)
    yield from delivery_symptoms(in_trouble)


def delivery_symptoms(found: DeliveriesInTrouble) -> Iterator[Symptom]:
    """Leads that do not arrive, and apart from them what is to be taken off at destinations of erased people."""
    late = f"{STUCK_MINUTES} minutes after they were planned, or their destination refuses EchoLead's configuration"
    taking_back = (
        "Correct the destination and `echolead resync` what was refused, or `echolead lead give-up` where it cannot be "
        "corrected. EchoLead's own stores have nothing of the person any more."
    )
    if found.stuck:
        yield Symptom(
            "wrong",
            "Deliveries",
            f"{found.stuck} have not arrived {late}",
            "Look at the health page of the console: the destination's answer is there.",
        )
    if found.dead:
        yield Symptom(
            "note",
            "Deliveries",
            f"{found.dead} were given up",
            "The console says why. Correct the cause; a lead that changes is sent again.",
        )
    if found.stuck_withdrawals:
        yield Symptom(
            "wrong", "Erasure", f"{found.stuck_withdrawals} withdrawals of erased people have not arrived {late}",
            taking_back,
        )  # fmt: skip
    if found.dead_withdrawals:
        yield Symptom(
            "wrong", "Erasure", f"{found.dead_withdrawals} withdrawals of erased people were refused for good",
            taking_back,
        )  # fmt: skip
    if not found.stuck and not found.dead:
        yield Symptom("ok", "Deliveries", "none is stuck or given up")


def _live_path(connection: psycopg.Connection) -> Iterator[Symptom]:
    if connection.execute("select to_regclass('public.live_steps')").fetchone() == (None,):
        return  # the finding about migrations has the solution
    found = trouble(connection)
    for sentence in found:
        yield Symptom(
            "wrong",
            "Live path",
            sentence,
            "Everything that does not depend on it goes on. Look at the event with `echolead sql`, and correct the "
            "model or the settings; it is tried again every few seconds.",
        )
    if not found:
        yield Symptom("ok", "Live path", "no step fails")


def _requests(connection: psycopg.Connection) -> Iterator[Symptom]:
    if connection.execute("select to_regclass('public.warehouse_requests')").fetchone() == (None,):
        return  # as above
    for request_id, tenant_id, message in failed_requests(connection):
        yield Symptom(
            "wrong",
            "Replay",
            f"request {request_id} of tenant {tenant_id} failed: {message[:500]}",
            f"Its tenant's rows are partly as before. `echolead replay resume {request_id}` tries it again.",
        )


def _quarantine(connection: psycopg.Connection) -> Iterator[Symptom]:
    if connection.execute("select to_regclass('public.quarantine')").fetchone() == (None,):
        return  # as above
    for each in quarantined(connection):
        yield Symptom(
            "wrong",
            "Quarantine",
            each.sentence,
            "The rows of all others are taken. Correct the model: other models try these rows again at the next start. "
            f"`echolead quarantine release {each.quarantine_id}` tries them at once.",
        )


def _erasures(connection: psycopg.Connection) -> Iterator[Symptom]:
    if connection.execute("select to_regclass('public.erasures')").fetchone() == (None,):
        return  # as above
    for erasure_id, tenant_id, step, message in late_erasures(connection):
        yield Symptom(
            "wrong",
            "Erasure",
            f"erasure {erasure_id} of tenant {tenant_id} is not done after an hour, at {step}: {message[:500]}",
            f"Correct the destination and `echolead resync` what was refused, or `echolead lead give-up --erasure"
            f" {erasure_id}`. EchoLead's own stores have nothing of the person any more."
            if step == "destinations"
            else "Rows of the person are still there. The live run tries the step again until it succeeds.",
        )


def _pulls(connection: psycopg.Connection) -> Iterator[Symptom]:
    if connection.execute("select to_regclass('public.deal_pulls')").fetchone() == (None,):
        return  # as above
    for tenant_id, name, since, message in failing_pulls(connection):
        yield Symptom(
            "wrong",
            "Deals",
            f"those of destination {name} of tenant {tenant_id} cannot be read since {since:%Y-%m-%d %H:%M}: {message}",
            f"Correct the destination or its rights; `echolead deal pull {tenant_id}` tries it at once.",
        )


def _spend_pulls(connection: psycopg.Connection) -> Iterator[Symptom]:
    if connection.execute("select to_regclass('public.spend_pulls')").fetchone() == (None,):
        return  # as above
    for tenant_id, name, since, message in failing_spend_pulls(connection):
        yield Symptom(
            "wrong",
            "Spend",
            f"that of account {name} of tenant {tenant_id} cannot be read since {since:%Y-%m-%d %H:%M}: {message}",
            f"Correct the account or its rights; `echolead spend pull {tenant_id}` tries it at once.",
        )


def _migrations(settings: Settings) -> Symptom:
    url = make_url(settings.postgres_url.get_secret_value()).set(drivername="postgresql+psycopg")
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 3})
    with engine.connect() as connection:
        if is_current(connection):
            return Symptom("ok", "Migrations", "the operational database is at this version")
    return Symptom("wrong", "Migrations", "the operational database is behind", "Run `echolead up` (or `setup`).")


def _queue(settings: Settings) -> Iterator[Symptom]:
    if settings.nats_monitor_url:
        yield _sync(settings.nats_monitor_url)
    yield from asyncio.run(streams(settings))


def _sync(monitor_url: str) -> Symptom:
    parts = urlsplit(monitor_url)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=3)) as connection:
        connection.request("GET", "/varz")
        server = json.loads(connection.getresponse().read())
    if server.get("jetstream", {}).get("config", {}).get("sync_always"):
        return Symptom("ok", "Queue", "syncs every message to disk before it is acknowledged")
    return Symptom(
        "wrong",
        "Queue",
        "does not sync every message: a power cut loses what was acknowledged",
        "Set `sync_interval: always` in the server's configuration.",
    )


async def streams(settings: Settings) -> list[Symptom]:
    """Whether each stream is there, and how far behind its reader is. Raises `nats.errors.Error`."""
    url = settings.nats_url.get_secret_value()
    client = await nats.connect(
        url,
        inbox_prefix=queue.inbox(urlsplit(url).username or "").encode(),
        connect_timeout=3,
        allow_reconnect=False,
        error_cb=_silent,
    )
    found = []
    try:
        jetstream = client.jetstream()
        for stream in queue.STREAMS:
            try:
                state = (await jetstream.stream_info(stream.name)).state
                found.append(Symptom("ok", f"Stream {stream.name}", f"{state.messages} messages, {state.bytes} bytes"))
            except NotFoundError:
                found.append(Symptom("wrong", f"Stream {stream.name}", "is missing", "Run `echolead up` (or `setup`)."))
        found += [await _lag(jetstream, stream) for stream in queue.STREAMS]
    finally:
        await client.close()
    return found


async def _lag(jetstream: nats.js.JetStreamContext, stream: queue.Stream) -> Symptom:
    subject = f"Loading {stream.name.lower()}"
    lag = await queue.lag(jetstream, stream)
    if lag is None:
        return Symptom("note", subject, "no loader has read the queue yet", "Look at the runs of `live` in Dagster.")
    sentence = f"{lag.messages} messages wait for the loader"
    if lag.is_too_long:
        sentence += f", the oldest for {lag.oldest_seconds:.0f} s"
        return Symptom("wrong", subject, sentence, "Look at the runs of `live` in Dagster.")
    return Symptom("ok", subject, sentence)


async def _silent(_: Exception) -> None:
    """Ignore the error here: the caller gets it as well."""


def _warehouse(settings: Settings) -> Iterator[Symptom]:
    with closing(warehouse.connect(settings.clickhouse_url.get_secret_value(), query_timeout_seconds=10)) as client:
        missing = [name for name in DATABASES if not client.command(f"EXISTS DATABASE {name}")]
        if missing:
            names = ", ".join(missing)
            yield Symptom("wrong", "Warehouse", f"databases are missing: {names}", "Run `echolead up` (or `setup`).")
        elif not client.command("EXISTS TABLE activation.lead_deliveries"):
            yield Symptom("wrong", "Warehouse", "the models were never built", "Run `echolead up` (or `setup`).")
        else:
            events = client.command("SELECT count() FROM raw.events")
            yield Symptom("ok", "Warehouse", f"answers; {events} rows in raw.events")
            yield from _lake(settings, client)
            yield from _set_aside(client)
            yield from _unmapped_stages(client)
            yield from _left_out_fields(client)
            yield from _spend_gaps(client)


def _lake(settings: Settings, client: Client) -> Iterator[Symptom]:
    with psycopg.connect(settings.postgres_system_url.get_secret_value(), connect_timeout=3) as connection:
        if connection.execute("select to_regclass('public.lake_files')").fetchone() == (None,):
            return  # the finding about migrations has the solution
        lag = lake_lag(connection, client)
    remedy = "Look for `copying to the lake` above, and at the address ECHOLEAD_LAKE_URL: the warehouse and the queue "
    remedy += "alone have these rows."
    yield Symptom("wrong", "Lake", lag.sentence, remedy) if lag.is_too_long else Symptom("ok", "Lake", lag.sentence)


def _set_aside(client: Client) -> Iterator[Symptom]:
    if not client.command("EXISTS TABLE ops.set_aside"):
        return
    for tenant_id, field, reason, count, event_id in client.query(SET_ASIDE).result_rows:
        yield Symptom(
            "note",
            "Set aside",
            f"{count} values of {field} of tenant {tenant_id} could not be used ({reason}), last of event {event_id}",
            "The rest of these events is used. The health page lists them; correct what sends them.",
        )


def _unmapped_stages(client: Client) -> Iterator[Symptom]:
    if not client.command("EXISTS TABLE ops.unmapped_stages"):
        return
    for tenant_id, destination, stages, deals, some in client.query(UNMAPPED).result_rows:
        named = ", ".join(some) + (", …" if stages > len(some) else "")
        yield Symptom(
            "note",
            "Deals",
            f"{stages} stages of {destination} of tenant {tenant_id} count as nothing ({named}); "
            f"{deals} deals are in them",
            f"See `echolead deal stages list {tenant_id}`, and say it with `echolead deal stages map`.",
        )


def _left_out_fields(client: Client) -> Iterator[Symptom]:
    if not client.command("EXISTS TABLE ops.left_out_fields"):
        return
    for tenant_id, destination, field, reason in client.query(LEFT_OUT).result_rows:
        yield Symptom(
            "note",
            "Fields",
            f"{field} is left out of deliveries to {destination} of tenant {tenant_id}: {reason}",
            "Leads arrive without it. Give our user the right to it, make it there, or map another one: "
            f"`echolead destination test --tenant {tenant_id} --destination {shlex.quote(destination)}`.",
        )


def _spend_gaps(client: Client) -> Iterator[Symptom]:
    if not client.command("EXISTS TABLE ops.spend_gaps"):
        return
    for tenant_id, platform, reason, campaigns, visits, leads, cost in client.query(GAPS).result_rows:
        amounts = " and ".join(f"{amount} {currency}" for currency, amount in cost.items())
        concerned, named = amounts or f"{visits} visits and {leads} leads", ", ".join(campaigns) or "no name"
        yield Symptom(
            "note",
            "Spend",
            f"{concerned} of {platform} of tenant {tenant_id}: {reason} ({named})",
            f"`echolead spend alias set` joins a name, `echolead tenant rate set {tenant_id}` sets a rate.",
        )

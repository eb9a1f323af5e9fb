"""`echolead demo`: the demo tenant, and traffic for it and for others like it."""

import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Annotated

import nats.errors
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from echolead.cli.addresses import operational_url
from echolead.cli.context import actor, administering
from echolead.cli.demo_products import chosen, serve_products
from echolead.cli.errors import CommandFailed
from echolead.cli.options import DataDir
from echolead.cli.processes import answer_of
from echolead.cli.tenant import let_read
from echolead.demo import tenant as demo_tenant
from echolead.demo.products import PRODUCTS
from echolead.demo.traffic.chats import Chats
from echolead.demo.traffic.costs import CURRENCY, ZONE, AdClicks
from echolead.demo.traffic.generator import generate
from echolead.demo.traffic.sites import ClientSite, sites
from echolead.embedded.part import python
from echolead.events import ReceivedRequest, encode
from echolead.operational.models import Tenant
from echolead.operational.tenants import TenantSettings, add_host, add_origin, create_tenant
from echolead.operational.users import grant_role
from echolead.publishing import NotQueued, publish, publish_webhooks
from echolead.settings import Settings, load_settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
OnProgress = Callable[[int], object]
REQUESTS_AT_ONCE = 1_000
"""Between two steps of the bar, which costs as much as making an event."""


class Into(StrEnum):
    """Where generated events go."""

    QUEUE = "queue"
    RAW = "raw"


@app.command()
def demo(  # the options of the command
    events: Annotated[int, typer.Option(min=0, help="Events to generate, over all tenants.")] = 0,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days they are spread over.")] = 90,
    tenants: Annotated[int, typer.Option(min=1, max=1000, help="Tenants with traffic, the demo's included.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed, options and end give the same events.")] = 1,
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"],
            help="End of the days, in UTC. Default: this minute.",
            show_default=False,
        ),
    ] = None,
    into: Annotated[
        Into, typer.Option(help="Through the queue, or straight into the warehouse once no loader runs.")
    ] = Into.QUEUE,
    products: Annotated[
        list[str] | None,
        typer.Option("--with", help=f"Serve demo products until Ctrl-C, separated by commas: {', '.join(PRODUCTS)}."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Create the demo tenant, its destination and its user if they are missing.

    With --events, write traffic too, its chats, and what its ads cost. With --with, the demo tenant's leads also go to
    products that are served here.
    """
    served = chosen(products or [])
    settings = load_settings(data_dir)
    operational_url(settings)
    password = settings.demo_password.get_secret_value()
    if not password:
        raise CommandFailed("ECHOLEAD_DEMO_PASSWORD is not set, so the demo's user could not sign in.")
    demo_tenant.ensure(settings)
    end = until.replace(tzinfo=UTC) if until else datetime.now(UTC).replace(second=0, microsecond=0)
    if events or tenants > 1:
        visited = sites(tenants)
        _ensure_tenants(settings, visited)
        clicks, chats = AdClicks(), Chats(seed)
        with _progress(events) as on_progress:
            _WRITERS[into](settings, generate(seed, visited, days, events, end, clicks, chats), on_progress)
        _load_costs(settings, clicks.files(end))
        with _queued("The conversations are missing; the same command adds them once there is room."):
            publish_webhooks(settings, chats.webhooks(end), name="demo-traffic")
    user = demo_tenant.USER_EMAIL
    typer.echo(f"Tenant {demo_tenant.TENANT_ID}; sign in as {user} with {password} at {settings.console_url}")
    if served:
        serve_products(settings, served)


def _ensure_tenants(settings: Settings, visited: Sequence[ClientSite]) -> None:
    """Create the tenants that are missing as `echolead tenant create` does; the demo's user is an admin of each."""
    made = []
    with administering(settings.data_dir) as (_, session):
        for site in visited:
            if session.get(Tenant, site.tenant_id) is None:
                chosen = TenantSettings(name=site.name, consent_default="wait" if site.asks_consent else "granted")
                create_tenant(session, site.tenant_id, actor=actor(), settings=chosen)
                grant_role(session, demo_tenant.USER_EMAIL, site.tenant_id, "admin", actor=actor())
                made.append(site.tenant_id)
            add_host(session, site.tenant_id, site.host, actor=actor())
            add_origin(session, site.tenant_id, site.origin, actor=actor())
    if made:
        let_read(settings, made)


def _load_costs(settings: Settings, files: Mapping[str, str]) -> None:
    """Load what the ads cost, as `echolead spend load` does."""
    with TemporaryDirectory() as folder:
        for tenant_id, content in files.items():
            file = Path(folder, "spend.csv")
            file.write_text(content)
            options = ("--platform", "", "--account", "", "--currency", CURRENCY, "--zone", ZONE)
            done = answer_of(settings, "dlt_pipelines.spend", str(file), "--tenant-id", tenant_id, *options)
            if done["problems"]:
                raise CommandFailed("The cost of the ads was not loaded. " + "\n".join(done["problems"]))


@contextmanager
def _progress(events: int) -> Iterator[OnProgress]:
    """A bar of events on standard error, advanced by what it yields; nothing where there are none."""
    columns = (TextColumn("events"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not events) as progress:
        task = progress.add_task("events", total=events)
        yield lambda count: progress.advance(task, count)


def _into_queue(settings: Settings, requests: Iterable[ReceivedRequest], on_progress: OnProgress) -> None:
    with _queued("A history that does not fit into the queue is written with `--into raw`."):
        publish(settings, requests, on_progress, name="demo-traffic")


@contextmanager
def _queued(when_full: str) -> Iterator[None]:
    """Errors of the queue as sentences. Raises `CommandFailed`."""
    try:
        yield
    except NotQueued as error:
        raise CommandFailed(f"{error} {when_full}") from error
    except nats.errors.Error as error:
        raise CommandFailed("The queue does not answer: `echolead doctor` shows the cause.") from error


def _into_raw(settings: Settings, requests: Iterable[ReceivedRequest], on_progress: OnProgress) -> None:
    """Through a process of its own, as the command line knows nothing of the loader; so both cores have work."""
    command = python("-m", "dlt_pipelines.collector.straight", "--data-dir", str(settings.data_dir))
    with subprocess.Popen(command, stdin=subprocess.PIPE) as writer:
        assert writer.stdin is not None  # noqa: S101
        with suppress(BrokenPipeError):  # it has said why on standard error
            _write(writer.stdin, requests, on_progress)
    if writer.returncode != 0:
        raise CommandFailed(f"The events could not be written (status {writer.returncode}, see above).")


def _write(pipe: IO[bytes], requests: Iterable[ReceivedRequest], on_progress: OnProgress) -> None:
    left = iter(requests)
    with pipe:
        while some := list(islice(left, REQUESTS_AT_ONCE)):
            pipe.write(b"".join([encode(request) + b"\n" for request in some]))
            on_progress(sum(len(request.events) for request in some))


_WRITERS = {Into.QUEUE: _into_queue, Into.RAW: _into_raw}

"""The stack from the command line: `up`, `setup`, `status`, `doctor`, `sql`."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from echolead import setup as set_up_servers
from echolead.cli.addresses import readonly_warehouse_url
from echolead.cli.errors import CommandFailed
from echolead.cli.options import AsJson, DataDir
from echolead.embedded import registry
from echolead.embedded.part import PartFailed, python
from echolead.embedded.secrets import make_private
from echolead.embedded.supervisor import Listener, Supervisor
from echolead.settings import Settings, load_settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")
STATE_STYLES = {
    "ready": "green",
    "done": "green",
    "failed": "bold red",
    "not answering": "red",
    "restarting": "yellow",
    "starting": "yellow",
}


class Screen(Listener):
    """The output of `up`: a live table while the parts start, then the addresses, then only changes of parts."""

    def __init__(self, console: Console, *, shows_lines: bool) -> None:
        self.console = console
        self.shows_lines = shows_lines
        self.supervisor: Supervisor | None = None
        self.addresses = Text()
        self.failures = 0
        self._started = time.monotonic()
        self._is_announced = False
        self._says_stopping = False
        self._live: Live | None = None
        self._colours: dict[str, str] = {}
        self._told: set[str] = set()

    def line(self, part: str, text: str) -> None:
        """With `--verbose`, show a line of a part's output after its name."""
        if self.shows_lines:
            self.console.print(self._prefix(part), Text.from_ansi(text), soft_wrap=True)

    def notice(self, part: str, text: str) -> None:
        """Show a change of a part."""
        self.console.print(self._prefix(part), Text(text, style="yellow"), soft_wrap=True)

    def refresh(self) -> None:
        """Update the screen; called several times a second."""
        supervisor = self.supervisor
        if supervisor is None:
            return
        if supervisor.stopping.is_set():
            self._end_live()
            if not self._says_stopping and supervisor.failure is None:
                self.console.print("Stopping (again Ctrl-C: at once) …")
                self._says_stopping = True
        elif supervisor.is_up and not self._is_announced:
            self._end_live()
            self._announce()
        elif not self._is_announced and self.console.is_terminal and not self.shows_lines:
            self._show_progress(supervisor)
        elif not self._is_announced:
            self._print_progress(supervisor)

    def _announce(self) -> None:
        self._is_announced = True
        self.console.print(f"\nEchoLead is up after {time.monotonic() - self._started:.1f} s.", style="bold green")
        self.console.print(self.addresses, soft_wrap=True)
        self.console.print("Ctrl-C stops everything. Logs: [bold]logs/[/bold] in the data directory.", style="dim")

    def _show_progress(self, supervisor: Supervisor) -> None:
        if self._live is None:
            self._live = Live(console=self.console, transient=True, auto_refresh=False)
            self._live.start()
        table = Table(box=None, pad_edge=False)
        for column in ("part", "", "waits for"):
            table.add_column(column, overflow="ellipsis", no_wrap=True)
        for thread in supervisor.threads.values():
            state = thread.record.state
            table.add_row(thread.part.name, Text(state, STATE_STYLES.get(state, "dim")), thread.record.missing or "")
        self._live.update(table, refresh=True)

    def _print_progress(self, supervisor: Supervisor) -> None:
        """Print a line when a part is ready, for outputs that cannot redraw a table."""
        for name, thread in supervisor.threads.items():
            if thread.is_ready.is_set() and name not in self._told:
                self._told.add(name)
                self.console.print(self._prefix(name), Text(thread.record.state), soft_wrap=True)

    def _end_live(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _prefix(self, part: str) -> Text:
        colour = self._colours.setdefault(part, COLOURS[len(self._colours) % len(COLOURS)])
        return Text(f"{part:>14} |", style=colour)


@app.command()
def up(
    data_dir: DataDir = None,
    port_base: Annotated[int | None, typer.Option(help="First port of the stack.", min=1, max=65000)] = None,
    demo: Annotated[bool, typer.Option(help="Also run the demo tenant, its landing page and its Chatwoot.")] = True,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print every line of the parts' output.")] = False,
) -> None:
    """Start the whole stack and keep it running until Ctrl-C."""
    from echolead.cli import demo as demo_beside  # noqa: PLC0415  # only `up` needs the embedded servers
    from echolead.embedded import stack as plans  # noqa: PLC0415

    chosen = Settings(_env_file=None)  # type: ignore[call-arg]  # the file of the last start must not decide
    directory = (data_dir or chosen.data_dir).resolve()
    try:
        make_private(directory)
    except OSError as error:
        raise CommandFailed(f"{directory} cannot be made: {error.strerror}. Choose another with --data-dir.") from None
    os.umask(0o077)  # files of the stack, also logs, are for its own user only
    with registry.exclusive(directory):
        registry.end_leftovers(directory)
        stack = plans.plan(directory, port_base or chosen.port_base)
        if demo:
            stack = demo_beside.with_demo(stack)
        if taken := plans.ports_taken(stack):
            named = ", ".join(f"{port} ({part})" for part, port in taken)
            raise PartFailed(
                f"Something else listens on port {named} already. Stop it, or choose other ports: "
                f"echolead up --port-base {stack.settings.port_base + 100}"
            )
        stack.prepare()
        screen = Screen(Console(stderr=True, highlight=False), shows_lines=verbose)
        supervisor = Supervisor(stack.parts(), directory, listener=screen)
        supervisor.record.facts = {
            "port_base": stack.settings.port_base,
            "addresses": [asdict(each) for each in (demo_beside.addresses(stack) if demo else stack.addresses())],
        }
        screen.addresses = _address_lines(supervisor.record.facts["addresses"])
        screen.supervisor = supervisor
        supervisor.run(every=screen.refresh)
    screen.console.print("Stopped.")


def _address_lines(addresses: list[dict[str, str]]) -> Text:
    """The addresses, one per line; never cut, so that they can be copied."""
    width = max(len(address["title"]) for address in addresses)
    lines = Text()
    for address in addresses:
        lines.append(f"  {address['title']:<{width}}  ", style="bold")
        lines.append(address["url"], style="cyan")
        lines.append(f"   {address['note']}\n" if address["note"] else "\n", style="dim")
    return lines


@app.command()
def setup(data_dir: DataDir = None) -> None:
    """Prepare external servers: roles, databases, migrations, streams, raw tables, the first build of the models."""
    settings = load_settings(data_dir)
    for name, url in (("POSTGRES", settings.postgres_url), ("NATS", settings.nats_setup_url)):
        if not url.get_secret_value():
            raise CommandFailed(
                f"ECHOLEAD_{name}_URL is not set: `setup` prepares servers of your own and must be told where they are "
                "(docs/guides/production.md). `echolead up` starts everything embedded."
            )
    set_up_servers.set_up(settings)
    prepared = subprocess.run(python("-m", "orchestration.prepare"), check=False)
    if prepared.returncode != 0:
        raise CommandFailed(f"The warehouse could not be prepared (status {prepared.returncode}, see above).")


@app.command()
def status(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show which parts are up, and on which port."""
    from echolead.embedded.condition import condition  # noqa: PLC0415

    directory = load_settings(data_dir).data_dir
    found = condition(directory)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
    else:
        console = Console(highlight=False)
        table = Table(box=None, pad_edge=False)
        for column in ("part", "state", "port", "pid", "restarts", "memory", "readiness"):
            table.add_column(column, justify="right" if column in ("port", "pid", "restarts", "memory") else "left")
        for part in found.parts:
            table.add_row(
                part.name,
                Text(part.state, STATE_STYLES.get(part.state, "dim")),
                str(part.port or ""),
                str(part.pid or ""),
                str(part.restarts),
                f"{part.memory_mb:.0f} MB" if part.memory_mb else "",
                part.readiness,
            )
        console.print(table)
        console.print(found.summary, style="bold")
    if not found.is_well:
        raise typer.Exit(1)


@app.command()
def doctor(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show problems and how to solve them."""
    from echolead.embedded.doctor import examine  # noqa: PLC0415

    findings = examine(load_settings(data_dir))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        console = Console(highlight=False)
        marks = {"ok": Text("ok  ", "green"), "note": Text("note", "yellow"), "wrong": Text("WRONG", "bold red")}
        for finding in findings:
            console.print(marks[finding.level], f"{finding.subject}: {finding.sentence}", soft_wrap=True)
            if finding.remedy:
                console.print(f"       → {finding.remedy}", style="bold", soft_wrap=True)
    if any(finding.level == "wrong" for finding in findings):
        raise typer.Exit(1)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One read-only statement.")],
    data_dir: DataDir = None,
    output_format: Annotated[
        str, typer.Option("--format", help="A ClickHouse output format: PrettyCompact, CSVWithNames, JSONEachRow …")
    ] = "PrettyCompactMonoBlock",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format JSONEachRow.")] = False,
) -> None:
    """Query the warehouse with a read-only account."""
    url = readonly_warehouse_url(load_settings(data_dir))
    parameters = {"default_format": "JSONEachRow" if as_json else output_format}
    try:
        with httpx.stream("POST", url, params=parameters, content=query.encode(), timeout=300) as answer:
            if answer.status_code != 200:
                raise CommandFailed(f"The warehouse refuses: {answer.read().decode(errors='replace').strip()}")
            written = sum(sys.stdout.buffer.write(piece) for piece in answer.iter_bytes())
    except httpx.TransportError as error:
        raise CommandFailed(f"The warehouse does not answer ({error}). Start it with `echolead up`.") from error
    sys.stdout.flush()
    if not written:
        typer.echo("No rows.", err=True)

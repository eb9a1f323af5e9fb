"""The `echolead` command. A sub-command's module is imported when the sub-command is used, so that `--help` is fast."""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

# name: (module, description). The module has a Typer `app`. With `is_group = True` the app is a group of commands
# (`echolead tenant create`); any other app has a command of that name (`echolead up`).
COMMANDS: Mapping[str, tuple[str, str]] = {
    "up": ("echolead.cli.stack", "Start the whole stack and keep it running until Ctrl-C."),
    "setup": ("echolead.cli.stack", "Prepare external servers: databases, streams, tables."),
    "status": ("echolead.cli.stack", "Show which parts are up, and on which port."),
    "doctor": ("echolead.cli.stack", "Show problems and how to solve them."),
    "sql": ("echolead.cli.stack", "Query the warehouse."),
    "dbt": ("echolead.cli.dbt", "Run dbt over the warehouse, or in databases of your own beside it."),
    "demo": ("echolead.cli.traffic", "Create the demo tenant, and traffic for it."),
    "tenant": ("echolead.cli.tenant", "Tenants, their hosts and their pages' origins."),
    "user": ("echolead.cli.user", "People who sign in to the console, and their roles."),
    "audit": ("echolead.cli.audit", "Who did what: list, export, verify."),
    "key": ("echolead.cli.key", "API keys for sending events from a server."),
    "destination": ("echolead.cli.destination", "Products that leads are delivered to."),
    "deal": ("echolead.cli.deal", "Deals of CRMs: stages and what they count as, pulls."),
    "spend": ("echolead.cli.spend", "What ad campaigns cost."),
    "webhook": ("echolead.cli.webhook", "Addresses to which products post their webhooks."),
    "chat": ("echolead.cli.chat", "Conversations: texts, targets, and pulls of Chatwoot."),
    "lead": ("echolead.cli.lead", "What is known of a lead; merge and split leads."),
    "rule": ("echolead.cli.rule", "Rules over leads: points, segments, routes, in versions."),
    "hours": ("echolead.cli.hours", "When a tenant is open: hours of the week, holidays."),
    "replay": ("echolead.cli.replay", "Compute again under present rules, or show what would change."),
    "lake": ("echolead.cli.lake", "Everything raw as Parquet: status, verification, queries."),
    "rebuild": ("echolead.cli.rebuild", "Put raw back from the lake, and build everything behind it."),
    "backup": ("echolead.cli.backup", "Save everything in a folder, and make an installation of it."),
    "quarantine": ("echolead.cli.quarantine", "Visitors whose rows are left out because a model fails on them."),
    "resync": ("echolead.cli.resync", "Deliver again what did not arrive, or everything."),
    "dead-letter": ("echolead.cli.dead_letter", "List, show and replay refused events."),
}


class LazyCommand(TyperCommand):
    """Placeholder for a sub-command in the list of commands; it loads the real one when it is called."""

    def __init__(self, name: str, module: str, summary: str) -> None:
        super().__init__(name=name, help=summary)
        self._module = module

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the real command; its module is imported here."""
        return self.load().make_context(info_name, args, parent, **extra)

    def load(self) -> Any:
        """The real command."""
        module = import_module(self._module)
        command = get_command(module.app)
        if getattr(module, "is_group", False):
            return command
        if isinstance(command, TyperGroup):  # an app of one command is that command
            return command.commands[str(self.name)]
        return command


class Root(TyperGroup):
    """The commands by name; this group also turns errors of the user into a sentence and exit code 2."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  # Typer's signature
        """In the order of `COMMANDS`: the first commands a user needs come first."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """The placeholder for a sub-command."""
        if cmd_name not in COMMANDS:
            return None
        return LazyCommand(cmd_name, *COMMANDS[cmd_name])

    def invoke(self, ctx: Any) -> Any:
        """Run the sub-command; an error that the user can solve is printed without a traceback."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            from echolead.cli.errors import explain  # noqa: PLC0415  # only a failure pays for its imports

            sentence = explain(error)
            if sentence is None:
                raise
            typer.secho(f"echolead: {sentence}", fg=typer.colors.RED, err=True)
            ctx.exit(2)


app = typer.Typer(cls=Root, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def echolead() -> None:
    """Lead tracking and activation, from the ad click to the contact in Chatwoot."""


def main() -> None:
    """Entry point of the `echolead` program."""
    sys.exit(get_command(app).main(prog_name="echolead"))

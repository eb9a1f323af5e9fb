"""`echolead dbt`: dbt over the stack's warehouse, or in databases of one's own beside it."""

import os
import sys
from typing import Annotated

import typer

from echolead.cli.options import DataDir
from echolead.embedded.part import python

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def dbt(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Option(
            "--target",
            "-t",
            help="`warehouse`: the models the stack runs, over the tables that readers see. `dev`: the models of this "
            "checkout, whole from raw, in databases `dev_<developer>_…` that nobody else reads.",
        ),
    ] = "warehouse",
    data_dir: DataDir = None,
) -> None:
    """Run dbt with the stack's address and account; what follows are dbt's own command and options.

    Examples: `echolead dbt --target dev build --vars '{only_tenant: acme, only_days: 30}'`, `echolead dbt test`,
    `echolead dbt docs generate`.
    """
    # The command line knows nothing of the models. That process takes this one's place, so that nothing outlives it.
    own = ["--target", target, *(["--data-dir", str(data_dir)] if data_dir else [])]
    command = python("-m", "orchestration.dbt.command", *own, *context.args)
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606  # no shell, and this interpreter

"""Options and arguments of several commands, each with one meaning and one help text."""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", help="Folder of the stack's data. Default: ECHOLEAD_DATA_DIR, else ./var.", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
TenantId = Annotated[str, typer.Argument(help="The tenant's id.", show_default=False)]
Set = Annotated[list[str] | None, typer.Option("--set", help="name=value; repeatable.", show_default=False)]
Secret = Annotated[
    list[str] | None,
    typer.Option("--secret", help="name=value, or name=- to read it from standard input.", show_default=False),
]
SHOWN_NAME = typer.Option(help="Display name.", show_default=False)

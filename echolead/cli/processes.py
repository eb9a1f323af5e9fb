"""What commands ask of a process of its own."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from echolead import processes
from echolead.cli.errors import CommandFailed
from echolead.processes import ProcessFailed
from echolead.settings import Settings


def answer_of(settings: Settings, module: str, *options: str, failed: str = "", **more: str) -> Any:
    """As `echolead.processes.answer_of`. Raises `CommandFailed` with `failed` before the reason."""
    try:
        return processes.answer_of(settings, module, *options, **more)  # type: ignore[arg-type]  # `given`, `silent`
    except ProcessFailed as error:
        raise CommandFailed(f"{failed}{error}") from None


def dry_run_of(settings: Settings, module: str, asked: Mapping[str, Any]) -> Any:
    """What the module's dry run says of what is asked. Raises `CommandFailed`."""
    failed = "The dry run did not come to its end: "
    return answer_of(settings, module, given=json.dumps(asked), failed=failed, silent="no reason was given")


def followed(
    settings: Settings, module: str, *options: str, first: str, unit: str, failed: str, given: str = ""
) -> Any:
    """What `python -m MODULE OPTIONS` prints as JSON, with its progress on standard error.

    The process writes a line `{"done": 3, "of": 10, "what": "events"}` to its standard error for each step, in `unit`s;
    `first` is shown until the first one. Raises `CommandFailed` with `failed` before the last line that is none.
    """
    command = processes.command_of(settings, module, *options)
    with (
        tempfile.TemporaryFile("w+") as answer,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=answer, stderr=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdin is not None  # noqa: S101
        process.stdin.write(given)
        process.stdin.close()
        last = _show_progress(process, first, unit)
        if process.wait() != 0:
            raise CommandFailed(f"{failed}{last}")
        answer.seek(0)
        return json.load(answer)


def _show_progress(process: "subprocess.Popen[str]", first: str, unit: str) -> str:
    """Show what it does until it ends; the last line that was no progress."""
    last = "no reason was given"
    figures = TextColumn("{task.completed:,} of {task.total:,} " + unit)
    console = Console(stderr=True)
    with Progress(TextColumn("{task.description}"), BarColumn(), figures, console=console) as progress:
        task = progress.add_task(first, total=0)
        for line in process.stderr or ():
            try:
                said = json.loads(line)
                progress.update(task, description=said["what"], completed=said["done"], total=said["of"])
            except (ValueError, TypeError, KeyError):
                last = line.strip() or last
                progress.update(task, description=last[:60])
    return last

"""What commands ask of a process of its own."""

import json
from collections.abc import Mapping
from typing import Any

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

"""Asking a process of its own: the command line knows nothing of models, pipelines or products."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from echolead.cli.errors import CommandFailed
from echolead.embedded.part import python
from echolead.settings import Settings


def answer_of(
    settings: Settings,
    module: str,
    *options: str,
    given: str = "",
    failed: str = "",
    silent: str = "No reason was given.",
) -> Any:
    """What `python -m MODULE OPTIONS` prints as JSON, with `given` on its standard input.

    Raises `CommandFailed` with `failed` before the last line it wrote to standard error, or `silent` without one.
    """
    command = python("-m", module, *options, "--data-dir", str(settings.data_dir))
    asked = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        last = (asked.stderr.strip().splitlines() or [silent])[-1]
        raise CommandFailed(f"{failed}{last}")
    return json.loads(asked.stdout)


def dry_run_of(settings: Settings, module: str, asked: Mapping[str, Any]) -> Any:
    """What the module's dry run says of what is asked. Raises `CommandFailed`."""
    failed = "The dry run did not come to its end: "
    return answer_of(settings, module, given=json.dumps(asked), failed=failed, silent="no reason was given")

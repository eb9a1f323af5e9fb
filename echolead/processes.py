"""Asking a process of its own: who asks knows nothing of models, pipelines or products."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from echolead.settings import Settings

LOOK_SECONDS = 1.0
"""How often is asked whether the answer is still wanted."""


class ProcessFailed(Exception):
    """The process did not come to its end; the message is the last line that it wrote to standard error."""


class Unwanted(Exception):
    """The process was stopped because its answer is not needed any more."""


def command_of(settings: Settings, module: str, *options: str) -> list[str]:
    """The command line of `python -m MODULE OPTIONS` for this installation."""
    return [sys.executable, "-m", module, *options, "--data-dir", str(settings.data_dir)]


def answer_of(
    settings: Settings,
    module: str,
    *options: str,
    given: str = "",
    silent: str = "No reason was given.",
    is_wanted: Callable[[], bool] = lambda: True,
    seconds: float = float("inf"),
) -> Any:
    """What `python -m MODULE OPTIONS` prints as JSON, with `given` on its standard input.

    Raises `ProcessFailed` (with `silent` when it wrote nothing, or after `seconds`), and `Unwanted` within a second or
    so after `is_wanted` has turned false. The process has ended then.
    """
    command = command_of(settings, module, *options)
    started = time.monotonic()
    unsent: str | None = given
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            while True:
                try:
                    said, errors = process.communicate(unsent, timeout=LOOK_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    unsent = None  # it goes on with what is left
                    if not is_wanted():
                        raise Unwanted from None
                    if time.monotonic() - started > seconds:
                        raise ProcessFailed(f"It was not done after {seconds:.0f} seconds, and was ended.") from None
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise ProcessFailed((errors.strip().splitlines() or [silent])[-1])
    return json.loads(said)

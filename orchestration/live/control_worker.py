"""Does the tasks that were asked through the control API, one at a time, beside the turns.

Each runs in a process of its own, so that it can be stopped and takes nothing of the live run with it. Two live runs
at once share the tasks: each is taken by one of them.
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from echolead.operational.control_tasks import TakenTask, TaskRecord
from echolead.processes import ProcessFailed, Unwanted, answer_of
from echolead.settings import Settings

POLL_SECONDS = 1.0
LEASE_SECONDS = 30.0
"""After so long without a sign of its worker a task is taken by another."""
MAX_SECONDS = 1800.0
"""A task that takes longer has failed."""
STOP_SECONDS = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Command:
    """What a task runs: `python -m MODULE OPTIONS`, with JSON on standard input."""

    module: str
    options: tuple[str, ...] = ()
    given: Any = None


def _trial(module: str) -> Callable[[TakenTask], Command]:
    return lambda task: Command(module, given=task.asked)


def _of_replay(task: TakenTask) -> Command:
    asked = dict(task.asked)
    module = "queue_dry_run" if asked.pop("origin", "") == "queue" else "dry_run"
    return Command(f"orchestration.live.{module}", given=asked)


def _of_person(word: str) -> Callable[[TakenTask], Command]:
    return lambda task: Command(
        "orchestration.erasure", (word,), given={"tenant_id": task.tenant_id, "lead_id": task.asked["lead_id"]}
    )


def _of_account(task: TakenTask, *words: str) -> Command:
    return Command("reverse_etl.account", (*words, "--tenant-id", task.tenant_id, "--name", task.asked["name"]))


def _of_mapping(task: TakenTask) -> Command:
    trial = {name: value for name, value in task.asked.items() if name != "name"}
    return replace(_of_account(task, "preview"), given=trial)


def _days(task: TakenTask) -> list[str]:
    return [word for name in ("since", "until") if name in task.asked for word in (f"--{name}", task.asked[name])]


COMMANDS: Mapping[str, Callable[[TakenTask], Command]] = {
    "rules_trial": _trial("orchestration.live.rules_dry_run"),
    "replay_trial": _of_replay,
    "lake_verify": lambda task: Command("dlt_pipelines.lake", ("verify", "--tenant", task.tenant_id, *_days(task))),
    "erasure_trial": _of_person("report"),
    "lead_export": _of_person("export"),
    "destination_test": lambda task: _of_account(task, "test"),
    "destination_setup": lambda task: _of_account(task, "setup", *(["--dry-run"] if task.asked["dry_run"] else [])),
    "destination_mapping": _of_mapping,
}


class ControlWorker:
    """A thread that does tasks while the block lasts. PostgreSQL that does not answer only delays them."""

    def __init__(self, settings: Settings, commands: Mapping[str, Callable[[TakenTask], Command]] = COMMANDS) -> None:
        self._settings = settings
        self._commands = commands
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control tasks", daemon=True)

    def __enter__(self) -> "ControlWorker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        url = self._settings.postgres_loader_url.get_secret_value()
        with closing(TaskRecord(url, LEASE_SECONDS)) as record:
            while not self._is_over.is_set():
                try:
                    record.forget_people()
                    task = record.take()
                    if task is not None:
                        self._do(record, task)
                        continue
                except psycopg.Error as error:
                    log.warning("tasks of the control API wait: %s", error)
                self._is_over.wait(POLL_SECONDS)

    def _do(self, record: TaskRecord, task: TakenTask) -> None:
        """Do one task. When this worker ends, the lease passes and another does it anew."""
        command = self._commands[task.kind](task)
        try:
            found = answer_of(
                self._settings, command.module, *command.options, given=json.dumps(command.given),
                is_wanted=lambda: not self._is_over.is_set() and record.keep(task), seconds=MAX_SECONDS,
            )  # fmt: skip
        except Unwanted:
            return
        except ProcessFailed as error:
            record.failed(task, str(error))
        except (OSError, ValueError) as error:  # it could not be started, or printed no JSON
            record.failed(task, f"{type(error).__name__}: {error}")
        else:
            record.done(task, found if isinstance(found, dict) else {"findings": found})

"""What a request would change: its turns over copies of the tables, in a database that nobody reads.

`python -m orchestration.live.dry_run --data-dir DIR` takes the request as JSON on standard input and prints what would
change as JSON. The live path goes on meanwhile. Copies share their files with the tables, so that they cost nothing.
"""

import argparse
import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from dlt_pipelines.lease import Lease
from echolead.settings import Settings, load_settings
from echolead.warehouse_accounts import SCRATCH
from orchestration.dbt.project import TURN, TURN_LEASE
from orchestration.dbt.runner import CompiledModel, Dbt, DbtFailed
from orchestration.live.warehouse_turns import WarehouseTurns

LEASE = "dry run of the warehouse"
SUMMARY = "tag:request"
"""Selects the model that says what a request changed."""
LOADS = ("raw", "loads")
REQUESTS = ("staging", "stg_operational__warehouse_requests")
NO_PART = ("changed_tenants", "due_leads")
"""Their tables stay empty: what other settings and the clock change is no part of the request."""
EMPTY = (*NO_PART, "request_changes", "affected_visitors", "lead_visitors", "affected_leads")
TABLES = "select name, engine from system.tables where database = {database:String}"
QUALIFIED = re.compile(r"`?(\w+)`?\.`?(\w+)`?")


class ScratchTurns(WarehouseTurns):
    """Turns over the copies, as the models were compiled for the tables themselves. Holds the lease of dry runs."""

    def __init__(self, settings: Settings, dbt: Dbt) -> None:
        super().__init__(settings, dbt)
        self._originals = [*dbt.compiled(TURN)]
        [self._summary] = dbt.compiled(SUMMARY)
        self._moved = {LOADS, REQUESTS, self._summary.key, *(model.key for model in self._originals)}

    def ask(self, request: dict[str, Any]) -> str:
        """Copy the tables as they are between two turns, with one request and no new loads; the request's id."""
        self.forget()
        request_id = str(uuid4())
        self._copy_tables()
        table = f"{SCRATCH}.{REQUESTS[1]}"
        like = ".".join(REQUESTS)
        self._client.command(f"create table {table} engine = Memory empty as select * from {like}")  # noqa: S608
        row = {
            "request_id": request_id,
            "kind": "replay",
            "created_at": datetime.now(UTC),
            "is_open": True,
            **{name: value for name, value in request.items() if value is not None},
            "received_from": _moment(request["received_from"] or "1970-01-01T00:00:00+00:00"),
            "received_before": _moment(request["received_before"] or "2105-01-01T00:00:00+00:00"),
        }
        self._client.insert(table, [list(row.values())], column_names=list(row))
        return request_id

    def _copy_tables(self) -> None:
        for database, name in sorted([LOADS, *(model.key for model in self._originals)]):
            copied = "as" if (database, name) == LOADS or name in EMPTY else "clone as"
            self._client.command(f"create table {SCRATCH}.{name} {copied} {database}.{name}")
        self._client.command(f"create view {SCRATCH}.{self._summary.name} as {self._placed(self._summary.statement)}")

    def forget(self) -> None:
        """Drop whatever is in the database of dry runs."""
        rows = self._client.query(TABLES, parameters={"database": SCRATCH}).result_rows
        for name, engine in sorted(rows, key=lambda row: row[1] != "View"):
            self._client.command(f"drop {'view' if engine == 'View' else 'table'} {SCRATCH}.`{name}` sync")

    def _compiled(self) -> list[CompiledModel]:
        return [
            replace(model, key=(SCRATCH, model.name), statement=self._placed(model.statement))
            for model in self._originals
            if model.name not in NO_PART
        ]

    def _tables(self) -> dict[str, str]:
        return {**{name: f"{SCRATCH}.{name}" for name in NO_PART}, **super()._tables()}

    def _placed(self, sql: str) -> str:
        return QUALIFIED.sub(
            lambda found: f"`{SCRATCH}`.`{found[2]}`" if (found[1], found[2]) in self._moved else found[0], sql
        )


@contextmanager
def worked_off(turns: ScratchTurns, settings: Settings, request: dict[str, Any]) -> Iterator[str]:
    """The id of the request, done over copies that are there until the end. Raises `DbtFailed` when a model fails."""
    url = settings.postgres_loader_url.get_secret_value()
    with turns, Lease(url, LEASE):
        try:
            with Lease(url, TURN_LEASE):
                request_id = turns.ask(request)
            work_off(turns)
            yield request_id
        finally:
            turns.forget()


def work_off(turns: ScratchTurns) -> None:
    """Run turns until nothing is left. Raises `DbtFailed`."""
    while turn := turns.run():
        if turn.failed:
            raise DbtFailed("; ".join(f"{each.key[1]}: {each.message}" for each in turn.failed))


def dry_run(settings: Settings, request: dict[str, Any]) -> dict[str, int]:
    """The changes of a request, as `ops.requests` names them. Raises `DbtFailed` when a model fails."""
    turns = ScratchTurns(settings, Dbt(settings))
    with worked_off(turns, settings, request) as request_id:
        progress = turns.progress(request_id)
    return progress.changes if progress else {}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data-dir", type=Path, required=True)
    changes = dry_run(load_settings(arguments.parse_args().data_dir), json.load(sys.stdin))
    sys.stdout.write(json.dumps(changes))

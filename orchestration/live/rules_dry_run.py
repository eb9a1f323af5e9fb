"""What other rules would make of a tenant's leads: turns over copies of the tables, with these rules in force.

`python -m orchestration.live.rules_dry_run --data-dir DIR` takes `RulesTrial` as JSON on standard input and prints
`Comparison` as JSON. The live path goes on meanwhile.
"""

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from echolead.settings import Settings, load_settings
from echolead.warehouse_accounts import SCRATCH
from orchestration.dbt.runner import Dbt
from orchestration.live.dry_run import ScratchTurns, worked_off

MIRRORED = ("raw", "lead_rules")
STAGED = ("staging", "stg_operational__lead_rules")
STAGING = "tag:lead_rules"
"""Selects the model that reads them."""
NO_VERSION = 0
EXAMPLES = 20

# What is compared of a result, by the name of the difference. A destination is one that a rule sends to now.
COMPARED = {
    "score": "score",
    "segments": "segments",
    "labels": "labels",
    "stage": "stage",
    "priority": "priority",
    "route": "[inbox, team, owner]",
    "destinations": "[arraySort(arrayMap(each -> each.1, arrayFilter(each -> each.2, send_to))), withheld_from]",
}
RESULTS = "select lead_id, ({columns}) as facts from {table} where tenant_id = {{tenant_id:String}}"
# Reads the results of the tenant's leads, as they are and as they would be.
DIFFERENCES = """
select
    lead_id,
    arrayFilter((name, is_other) -> is_other, {names}, [{others}]) as differences,
    map({before}) as before,
    map({after}) as after
from ({present}) as present
inner join ({future}) as future using (lead_id)
where lead_id in (select subject from {evaluated} where tenant_id = {{tenant_id:String}} and kind = 'lead')
order by length(differences) desc, lead_id
"""


@dataclass(frozen=True)
class RulesTrial:
    """Rules of a tenant, one row each as they are mirrored, over what was received since `received_from` (ISO 8601)."""

    tenant_id: str
    digest: str
    rules: list[dict[str, Any]]
    received_from: str

    def request(self) -> dict[str, Any]:
        """What is computed again for it."""
        extent: dict[str, Any] = {"received_from": self.received_from, "received_before": None, "lead_ids": []}
        return {"tenant_id": self.tenant_id, **extent}


@dataclass(frozen=True)
class Comparison:
    """How many leads were evaluated, how many differ and in what, and the first examples: before and after, as JSON."""

    leads: int = 0
    changed: int = 0
    differences: dict[str, int] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)


class ScratchTurnsUnderRules(ScratchTurns):
    """Turns over copies of the tables in which a tenant has other rules."""

    def __init__(self, settings: Settings, dbt: Dbt, trial: RulesTrial) -> None:
        super().__init__(settings, dbt)
        self._trial = trial
        [self._staged] = dbt.compiled(STAGING)
        self._moved |= {MIRRORED, STAGED}

    def _copy_tables(self) -> None:
        super()._copy_tables()
        now = datetime.now(UTC)  # one moment, as they are one snapshot
        rows = [
            {
                "tenant_id": self._trial.tenant_id,
                "version": NO_VERSION,
                "digest": self._trial.digest,
                "position": position,
                "rule_id": rule["rule_id"],
                "name": rule["name"],
                "rule": json.dumps(rule["rule"]),
                "mirrored_at": now,
            }
            for position, rule in enumerate(self._trial.rules, start=1)
        ]
        table = f"{SCRATCH}.{MIRRORED[1]}"
        self._client.command(f"create table {table} as {'.'.join(MIRRORED)}")
        self._client.insert(table, [list(row.values()) for row in rows], column_names=list(rows[0]))
        self._client.command(f"create view {SCRATCH}.{STAGED[1]} as {self._placed(self._staged.statement)}")

    def comparison(self) -> Comparison:
        """The results of the leads that these turns evaluated beside those of the rules in force."""
        names = list(COMPARED)
        columns = ", ".join(COMPARED.values())
        query = DIFFERENCES.format(
            names=names,
            others=", ".join(f"present.facts.{place} != future.facts.{place}" for place, _ in enumerate(names, 1)),
            before=_as_map(names, "present"),
            after=_as_map(names, "future"),
            present=RESULTS.format(columns=columns, table="marts.lead_results"),
            future=RESULTS.format(columns=columns, table=f"{SCRATCH}.lead_results"),
            evaluated=f"{SCRATCH}.request_changes",
        )
        rows = list(self._client.query(query, parameters={"tenant_id": self._trial.tenant_id}).named_results())
        changed = [row for row in rows if row["differences"]]
        return Comparison(
            leads=len(rows),
            changed=len(changed),
            differences={name: sum(name in row["differences"] for row in changed) for name in names},
            examples=[_example(row) for row in changed[:EXAMPLES]],
        )


def _as_map(names: Sequence[str], side: str) -> str:
    """The facts of one side as ClickHouse writes a map: name to JSON."""
    return ", ".join(f"'{name}', toJSONString({side}.facts.{place})" for place, name in enumerate(names, 1))


def _example(row: Mapping[str, Any]) -> dict[str, Any]:
    changes = {name: [json.loads(row[side][name]) for side in ("before", "after")] for name in row["differences"]}
    return {"lead_id": row["lead_id"], "changes": changes}


def dry_run(settings: Settings, trial: RulesTrial) -> Comparison:
    """What the rules would change. Raises `DbtFailed` when a model fails."""
    turns = ScratchTurnsUnderRules(settings, Dbt(settings), trial)
    with worked_off(turns, settings, trial.request()):
        return turns.comparison()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data-dir", type=Path, required=True)
    found = dry_run(load_settings(arguments.parse_args().data_dir), RulesTrial(**json.load(sys.stdin)))
    sys.stdout.write(json.dumps(asdict(found)))

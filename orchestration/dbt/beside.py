"""Changed tables are built in separate databases, checked, and exchanged with the old ones: readers find whole tables.

The target `next` of dbt_project/profiles.yml writes databases `next_…`. A table that has not changed stands there as a
view of the one that readers see. A change that reaches single events or sessions is worked off in turns over all of
raw, so that memory is bounded; what is behind them alone is computed from them at once.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass

import yaml
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import OperationalError
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import SeedNode

from dlt_pipelines.lease import Lease
from echolead.settings import Settings
from echolead.warehouse import standing
from echolead.warehouse_accounts import BESIDE, ONE_VERSION
from orchestration.dbt import project
from orchestration.dbt.runner import Dbt, failed
from orchestration.dbt.versions import BuiltNode, before, behind, built_nodes, is_view, versions, views_before
from orchestration.live.warehouse_turns import LAST, OF_REQUESTS, SETS, WarehouseTurns

IN_TURNS = "built_in_turns"
"""Marks models, in dbt_project.yml, of which a rebuild at once would need memory for all of history."""
BUILD_LEASE = "tables beside"
VIEWS = "config.materialized:view"

# Ends are versions that readers do not see.
EVERY_VERSION = {"final": 0}
LEFT_OVER = """
select database, name, engine from system.tables
where startsWith(database, {beside:String})
order by engine != 'View'
"""
# What requests have changed, and how far they have come, is in no event.
TABLES_OF_REQUESTS = ("ops.request_changes", "ops.turns")
# What was recorded of leads' results stays, and what a build whole finds to differ is added. Turns over all of raw see
# leads that are not whole yet: what they find differs from itself.
RECORDED = "marts.lead_result_changes"
KEPT_RECORDS = "insert into {beside}{table} ({columns}) select {columns} from {table}"
KEPT_OF_REQUESTS = "insert into {beside}{table} ({columns}) select {columns} from {table} where request_id != ''"
SAME_COLUMNS = """
select name from system.columns where concat(database, '.', table) in {tables:Array(String)}
group by name having count() = 2
"""
# A turn behind all that the engine can have read.
TURN_OF_THE_CHANGE = """
select greatest(max(turn) + 1, toUInt64(toUnixTimestamp64Milli(now64(3)))) from activation.lead_deliveries
"""
OLD_DELIVERIES = """
old as (
    select tenant_id, lead_id, destination_id, argMax(payload_hash, turn) as old_hash,
        argMax(is_deleted, turn) as had_ended, max(turn) as old_turn
    from activation.lead_deliveries
    group by tenant_id, lead_id, destination_id
)
"""
# The engine reads turns after the last one it knows. An unchanged wanted state keeps its turn: it is not sent.
STILL_WANTED = """
insert into {beside}activation.kept_deliveries ({columns}, turn, is_deleted)
with {old}
select {columns}, if(old_hash = payload_hash and had_ended = 0, old_turn, {{turn:UInt64}}) as turn, 0 as is_deleted
from (select * except (turn, is_deleted) from {beside}activation.lead_deliveries final) as wanted
left join old using (tenant_id, lead_id, destination_id)
"""
# What is no longer wanted is reported; ends that the engine may not have read yet stay.
NO_LONGER_WANTED = """
insert into {beside}activation.kept_deliveries (tenant_id, lead_id, destination_id, turn, is_deleted)
with {old}
select tenant_id, lead_id, destination_id, if(had_ended = 1, old_turn, {{turn:UInt64}}) as turn, 1 as is_deleted
from old
where (tenant_id, lead_id, destination_id) not in (
    select tenant_id, lead_id, destination_id from {beside}activation.lead_deliveries final
)
"""

log = logging.getLogger("prepare")


class NotInPlace(RuntimeError):
    """What was built beside does not take the place of what is there; the message says why."""


@dataclass(frozen=True)
class Change:
    """The nodes that a changed project builds anew, by their unique id. `in_turns`: all of raw is gone through."""

    nodes: dict[str, BuiltNode]
    in_turns: bool

    def names(self, *, are_seeds: bool = False) -> list[str]:
        """Names of the seeds, or of the tables and views."""
        return [node.name for node in self.nodes.values() if is_seed(node) == are_seeds]

    def tables(self) -> list[str]:
        """`database.name`, as readers ask for them, of all that is no view, each after those it is made of."""
        return [relation(node) for node in self.nodes.values() if not is_view(node)]


def relation(node: BuiltNode) -> str:
    """`database.name` of a node as readers ask for it, whatever target it was parsed for."""
    return f"{str(node.schema).removeprefix(BESIDE)}.{node.name}"


def is_seed(node: BuiltNode) -> bool:
    """Whether its rows are a file's."""
    return isinstance(node, SeedNode)


def is_step(node: BuiltNode) -> bool:
    """Whether it holds what one turn passes from model to model, and nothing that lasts."""
    return "turn" in node.tags and relation(node).startswith("staging.") and node.name not in LAST


def other_tables(nodes: Iterable[BuiltNode]) -> list[str]:
    """Names of the tables that are made whole each time, and not kept by turns."""
    return [node.name for node in nodes if not (is_view(node) or is_seed(node) or "turn" in node.tags)]


def project_versions(settings: Settings, manifest: Manifest, target: project.Target) -> dict[str, str]:
    """The version of each table, view and seed by its `database.name`."""
    described = yaml.safe_load((project.project_dir(settings, target) / "dbt_project.yml").read_text())
    nodes = built_nodes(manifest)
    return {relation(nodes[key]): digest for key, digest in versions(manifest, described["vars"]).items()}


def models_version(settings: Settings, dbt: Dbt) -> str:
    """Another text for other models, seeds or variables of the project that the stack runs, when just parsed."""
    every = project_versions(settings, dbt.manifest, project.WAREHOUSE)
    return hashlib.sha256(json.dumps(every, sort_keys=True).encode()).hexdigest()


def change_of(manifest: Manifest, present: Mapping[str, str], built: Mapping[str, str], there: set[str]) -> Change:
    """What differs between the project (`present`) and what the tables that are `there` were built with (`built`)."""
    nodes = built_nodes(manifest)
    kept_by_turns = {key for key, node in nodes.items() if node.name in LAST}
    changed = {
        key
        for key, node in nodes.items()
        if built.get(relation(node)) != present[relation(node)] or relation(node) not in there
    }
    reached = behind(manifest, changed)
    marked = {key for key in reached if nodes[key].config.meta.get(IN_TURNS) and not is_view(nodes[key])}
    in_turns = bool(marked or changed & kept_by_turns)
    if in_turns:
        reached |= {key for key, node in nodes.items() if "turn" in node.tags}
    else:
        reached -= kept_by_turns  # what turns have taken is as it was
    return Change({key: node for key, node in nodes.items() if key in reached}, in_turns)


class Beside:
    """Builds a change in the databases beside and puts it in its place. Hold `BUILD_LEASE`."""

    def __init__(self, settings: Settings, client: Client, dbt: Dbt, change: Change) -> None:
        self._settings = settings
        self._client = client
        self._dbt = dbt
        self._change = change
        self._nodes = built_nodes(dbt.manifest)

    def build(self) -> None:
        """Raises `DbtFailed`, `WarehouseAway`, `NotInPlace`; what readers see is as it was in each case."""
        self.clear()  # what an attempt left that was killed
        try:
            self._build()
        finally:
            with suppress(OperationalError):  # the next attempt begins with it
                self.clear()

    def _build(self) -> None:
        self._load_seeds()
        if not self._change.in_turns:
            with Lease(self._settings.postgres_loader_url.get_secret_value(), project.TURN_LEASE):
                self._build_at_once()
                self._put_in_place()
            return
        self._build_empty()
        self._take_turns()  # the live path goes on meanwhile, over the tables that are there
        with Lease(self._settings.postgres_loader_url.get_secret_value(), project.TURN_LEASE):
            self._take_turns()
            self._build_others()
            self._put_in_place()

    def clear(self) -> None:
        """Drop what is beside."""
        for database, name, engine in self._client.query(LEFT_OVER, parameters={"beside": BESIDE}).result_rows:
            self._client.command(f"drop {'view' if engine == 'View' else 'table'} `{database}`.`{name}` sync")

    def _load_seeds(self) -> None:
        names = self._change.names(are_seeds=True)
        if names:
            log.info("seeds: %s", ", ".join(names))
            self._dbt.run("seed", *names)

    def _link(self, built: Iterable[str]) -> None:
        """Let each table that is not built stand beside as a view of the one that readers see."""
        for key in self._nodes.keys() - built:
            node = self._nodes[key]
            if not is_view(node):
                self._client.command(f"create database if not exists `{node.schema}`")
                beside = f"`{node.schema}`.`{node.name}`"
                self._client.command(f"create view {beside} as select * from {relation(node)}")  # noqa: S608

    def _build_at_once(self) -> None:
        steps = {key for key in before(self._dbt.manifest, self._change.nodes) if is_step(self._nodes[key])}
        self._link(self._change.nodes.keys() | steps)
        log.info("tables: %s", ", ".join(self._change.names()))
        self._run_with_views(self._change.nodes.keys() | steps)

    def _build_empty(self) -> None:
        self._link(self._change.nodes)
        # Turns over events read what is known of chats and deals: it is built whole here, and again when they are done.
        before_turns = [node.name for node in self._change.nodes.values() if {"chat", "deals"} & set(node.tags)]
        if before_turns:
            self._dbt.run("run", f"+{project.CHAT},{VIEWS}", f"+{project.DEALS},{VIEWS}")
            self._dbt.run("run", *before_turns, full_refresh=True)
        self._dbt.run("run", f"+{project.TURN},{VIEWS}")
        built = self._dbt.attempt("run", project.TURN, full_refresh=True, is_empty=True)
        if built.failed:
            raise failed("run", built.failed)

    def _take_turns(self) -> None:
        with WarehouseTurns(self._settings, self._dbt) as turns:
            while turn := turns.run():
                if not turn.is_done:
                    raise failed("turn", turn.failed)
                log.info("%d events", turn.rows_written.get("events", 0))

    def _build_others(self) -> None:
        """What turns do not keep: views, and tables that are made whole each time."""
        others = {key for key, node in self._change.nodes.items() if "turn" not in node.tags}
        of_turns = {key for key, node in self._nodes.items() if "turn" in node.tags}
        self._run_with_views(others, but=views_before(self._nodes, of_turns))

    def _run_with_views(self, keys: Set[str], *, but: Set[str] = frozenset()) -> None:
        """Build these nodes and the views they are made of, without seeds and the views that are there (`but`)."""
        wanted = (keys | views_before(self._nodes, keys)) - but
        built = [node.name for key, node in self._nodes.items() if key in wanted and not is_seed(node)]
        if built:  # dbt takes no name for every name
            self._dbt.run("run", *built, full_refresh=True)

    def _put_in_place(self) -> None:
        there = standing(self._client)
        tables = self._change.tables()
        self._check(there)
        if "activation.lead_deliveries" in there & set(tables):
            self._keep_turns_of_deliveries()
        for table in there.intersection(tables, TABLES_OF_REQUESTS):
            self._keep(table, KEPT_OF_REQUESTS)
        if RECORDED in there & set(tables):
            if self._change.in_turns:
                self._client.command(f"truncate table {BESIDE}{RECORDED}")
            self._keep(RECORDED, KEPT_RECORDS)
        for name in SETS:
            if f"staging.{name}" in tables:
                self._client.command(f"truncate table {BESIDE}staging.{name}")
        project.put_next_in_place(self._settings)
        dbt = Dbt(self._settings)
        for table in tables:
            if table in there:
                self._client.command(f"exchange tables {BESIDE}{table} and {table}")
            else:
                self._client.command(f"rename table {BESIDE}{table} to {table}")
        dbt.run("run", VIEWS)

    def _check(self, there: set[str]) -> None:
        """Raises `NotInPlace` for a seed without rows, and for a table that has none any more."""
        for node in self._change.nodes.values():
            # Tables of staging hold what one turn passes on; those of requests and records may wait for a first one.
            may_be_empty = node.name in OF_REQUESTS or relation(node) == RECORDED
            may_be_empty |= not is_seed(node) and relation(node).startswith("staging.")
            if is_view(node) or is_step(node) or may_be_empty or self._has_rows(f"{BESIDE}{relation(node)}"):
                continue
            if is_seed(node) or (relation(node) in there and self._has_rows(relation(node))):
                raise NotInPlace(f"{relation(node)} would have no rows any more; it stays as it was")

    def _has_rows(self, table: str) -> bool:
        found = self._client.query(f"select 1 from {table} limit 1", settings=ONE_VERSION)  # noqa: S608
        return bool(found.result_rows)

    def _keep(self, table: str, statement: str) -> None:
        found = self._client.query(SAME_COLUMNS, parameters={"tables": [table, f"{BESIDE}{table}"]}).result_rows
        columns = ", ".join(f"`{name}`" for (name,) in found)
        self._client.command(statement.format(beside=BESIDE, table=table, columns=columns))

    def _keep_turns_of_deliveries(self) -> None:
        """Give the delivery engine only the wanted states that differ from before."""
        deliveries = next(node for node in self._nodes.values() if node.name == "lead_deliveries")
        columns = ", ".join(name for name in deliveries.columns if name not in ("turn", "is_deleted"))
        turn = self._client.query(TURN_OF_THE_CHANGE, settings=EVERY_VERSION).result_rows[0][0]
        beside, kept = f"{BESIDE}activation.lead_deliveries", f"{BESIDE}activation.kept_deliveries"
        self._client.command(f"create table {kept} as {beside}")
        for statement in (STILL_WANTED, NO_LONGER_WANTED):
            asked = statement.format(columns=columns, old=OLD_DELIVERIES, beside=BESIDE)
            self._client.command(asked, parameters={"turn": turn}, settings=EVERY_VERSION)
        self._client.command(f"exchange tables {beside} and {kept}")

"""dbt in this process, with a manifest that is read once: a command costs its queries and little more."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from dbt.artifacts.resources.types import NodeType
from dbt.artifacts.schemas.results import RunStatus, TestStatus
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import ModelNode

from echolead.settings import Settings
from orchestration.dbt.project import WAREHOUSE, Target, common_arguments, export_connection

FAILED = (RunStatus.Error, TestStatus.Error, TestStatus.Fail)
MAX_MESSAGE_CHARACTERS = 2000
IN_SCOPE = re.compile(r"[.:]? In scope .*\.(?= \([A-Z_]+\))")
"""The copy of the whole statement within a message of the warehouse."""


# The warehouse had no time, no memory, no connection or too much to do, which says nothing of what it was asked:
# TIMEOUT_EXCEEDED, TOO_MANY_SIMULTANEOUS_QUERIES, SOCKET_TIMEOUT, NETWORK_ERROR, MEMORY_LIMIT_EXCEEDED,
# NOT_ENOUGH_SPACE, QUERY_WAS_CANCELLED.
PASSING_CODES = frozenset({"159", "202", "209", "210", "241", "243", "394"})
ERROR_CODE = re.compile(r"[Cc]ode: (\d+)")
NO_ANSWER = re.compile(r"connection|timed out|timeout|refused|unreachable|executing HTTP request", re.IGNORECASE)


class DbtFailed(RuntimeError):
    """A dbt command did not do what it was asked; the message names the nodes and what the warehouse said."""


class WarehouseAway(DbtFailed):
    """The same, because the warehouse did not answer or had too much to do: the next try may succeed."""


@dataclass(frozen=True)
class NodeRun:
    """One model, seed or test that ran. `key` is (database, name)."""

    key: tuple[str, str]
    seconds: float


@dataclass(frozen=True)
class NodeFailure:
    """A model that failed: `key` is (database, name), `message` the warehouse's, `statement` what was asked of it."""

    key: tuple[str, str]
    message: str
    statement: str

    @classmethod
    def of(cls, key: tuple[str, str], message: str, statement: str) -> "NodeFailure":
        """The failure with its message on one bounded line, without the copy of the statement."""
        return cls(key, IN_SCOPE.sub("", " ".join(message.split()))[:MAX_MESSAGE_CHARACTERS], statement)

    @property
    def is_passing(self) -> bool:
        """Whether it says nothing of the model: a connection that is lost, a limit of time or memory."""
        code = ERROR_CODE.search(self.message)
        if code is not None:
            return code[1] in PASSING_CODES
        return "Compilation Error" not in self.message and NO_ANSWER.search(self.message) is not None


def failed(command: str, failures: Sequence[NodeFailure]) -> DbtFailed:
    """The error for these failures; `WarehouseAway` when one of them may pass."""
    said = "; ".join(f"{'.'.join(failure.key)}: {failure.message}" for failure in failures)
    kind = WarehouseAway if any(failure.is_passing for failure in failures) else DbtFailed
    return kind(f"dbt {command} failed. {said}")


@dataclass(frozen=True)
class CompiledModel:
    """A model as the warehouse is asked for it: `key` is (database, name)."""

    key: tuple[str, str]
    statement: str
    settings: dict[str, str]
    is_rewritten: bool
    """Whether each run replaces all of its rows, and does not add to them."""
    behind: frozenset[str]
    """Names of the models selected with it that depend on it, directly or not."""

    @property
    def name(self) -> str:
        """The model's name."""
        return self.key[1]


@dataclass(frozen=True)
class Built:
    """What a command did: the nodes that ran, and those that failed; what depends on a failed one was left alone."""

    done: list[NodeRun]
    failed: list[NodeFailure]


class Dbt:
    """dbt commands in this process. The project is parsed once, at the start (seconds; less from its partial parse)."""

    def __init__(self, settings: Settings, target: Target = WAREHOUSE) -> None:
        export_connection(settings, target)
        self._where = common_arguments(settings, target)
        self._manifest: Manifest | None = None
        parsed = self._invoke(["parse"]).result
        if not isinstance(parsed, Manifest):
            raise DbtFailed("dbt parse gave no manifest.")
        self._manifest = parsed

    @property
    def manifest(self) -> Manifest:
        """The project as it was parsed."""
        assert self._manifest is not None  # noqa: S101  # since the start
        return self._manifest

    def run(self, command: str, *selection: str, full_refresh: bool = False) -> list[NodeRun]:
        """`build`, `run`, `seed` or `test` a selection (nothing selected: everything). Raises `DbtFailed`."""
        built = self.attempt(command, *selection, full_refresh=full_refresh)
        if built.failed:
            raise failed(command, built.failed)
        return built.done

    def attempt(self, command: str, *selection: str, full_refresh: bool = False, is_empty: bool = False) -> Built:
        """The same, without raising for a node that fails: others that do not depend on it have run.

        With `is_empty` the tables are made as if there were no rows to make them of.
        """
        options = [*(["--select", *selection] if selection else []), *(["--full-refresh"] if full_refresh else [])]
        options += ["--empty"] if is_empty else []
        # Listing the tables of every database costs the embedded warehouse as much as two models.
        lean = ["--no-write-json", *(["--cache-selected-only"] if selection else [])]
        result = self._invoke([command, *lean, *options]).result
        if not isinstance(result, RunExecutionResult):
            return Built([], [])
        return Built(
            [_node_run(each) for each in result.results if each.status == RunStatus.Success],
            [_node_failure(each) for each in result.results if each.status in FAILED],
        )

    def models(self) -> set[tuple[str, str]]:
        """(database, name) of every model of the project."""
        nodes = self._manifest.nodes.values() if self._manifest else ()
        return {(str(node.schema), str(node.name)) for node in nodes if node.resource_type == NodeType.Model}

    def compiled(self, selection: str) -> list[CompiledModel]:
        """The selected models over the tables as they are, each after those it depends on. Raises `DbtFailed`."""
        chosen = ["--select", f"{selection},resource_type:model"]
        results = getattr(self._invoke(["compile", "--no-write-json", *chosen]).result, "results", [])
        failed = [str(each.message) for each in results if each.status in FAILED]
        if failed or not results:
            raise DbtFailed(f"dbt compile failed. {'; '.join(failed)}")
        nodes = {each.node.unique_id: each.node for each in results if isinstance(each.node, ModelNode)}
        before = self._ancestors()
        order = [key for key in before if key in nodes]
        return [
            CompiledModel(
                key=(str(nodes[key].schema), str(nodes[key].name)),
                statement=str(nodes[key].compiled_code),
                settings={name: str(value) for name, value in nodes[key].config.get("query_settings", {}).items()},
                is_rewritten=nodes[key].config.materialized == "table",
                behind=frozenset(str(nodes[other].name) for other in nodes if key in before[other]),
            )
            for key in order
        ]

    def _ancestors(self) -> dict[str, set[str]]:
        """All that each model depends on, directly or not, each model after those it depends on."""
        nodes = self._manifest.nodes if self._manifest else {}
        direct = {key: set(node.depends_on.nodes) for key, node in nodes.items() if isinstance(node, ModelNode)}
        found: dict[str, set[str]] = {}
        for key in TopologicalSorter(direct).static_order():
            parents = direct.get(key, set())
            found[key] = parents.union(*(found[parent] for parent in parents))
        return found

    def _invoke(self, arguments: list[str]) -> dbtRunnerResult:
        quiet = ["--quiet", "--no-print", "--no-use-colors", "--log-level-file", "none"]
        result = dbtRunner(manifest=self._manifest).invoke([*quiet, *arguments, *self._where])
        if result.exception is not None and not isinstance(result.exception, Exception):
            raise result.exception  # dbt catches the interrupt that ends a run as well
        if not result.success and not isinstance(result.result, RunExecutionResult):
            raise DbtFailed(f"dbt {' '.join(arguments)} failed. {result.exception}") from result.exception
        return result


def _node_run(result: Any) -> NodeRun:
    return NodeRun((str(result.node.schema), str(result.node.name)), float(result.execution_time))


def _node_failure(result: Any) -> NodeFailure:
    key = (str(result.node.schema), str(result.node.name))
    statement = getattr(result.node, "compiled_code", "")  # a unit test has none
    return NodeFailure.of(key, str(result.message), str(statement or ""))

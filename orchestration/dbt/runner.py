"""dbt in this process, with a manifest that is read once: a command costs its queries and little more."""

import re
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
from orchestration.dbt.project import common_arguments, export_connection

FAILED = (RunStatus.Error, TestStatus.Error, TestStatus.Fail)
MAX_MESSAGE_CHARACTERS = 2000
IN_SCOPE = re.compile(r"[.:]? In scope .*\.(?= \([A-Z_]+\))")
"""The copy of the whole statement within a message of the warehouse."""


class DbtFailed(RuntimeError):
    """A dbt command did not do what it was asked; the message names the nodes and what the warehouse said."""


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


@dataclass(frozen=True)
class Built:
    """What a command did: the nodes that ran, and those that failed; what depends on a failed one was left alone."""

    done: list[NodeRun]
    failed: list[NodeFailure]


class Dbt:
    """dbt commands in this process. The project is parsed once, at the start (seconds; less from its partial parse).

    With `structure_is_prepared` the columns of tables are taken as they are: for whoever runs, again and again, what
    `prepare` has built from the same files (dbt_project/macros/structure.sql).
    """

    def __init__(self, settings: Settings, *, structure_is_prepared: bool = False) -> None:
        export_connection(settings)
        self._where = common_arguments(settings)
        if structure_is_prepared:
            self._where += ["--vars", "{structure_is_prepared: true}"]
        self._manifest: Manifest | None = None
        parsed = self._invoke(["parse"]).result
        if not isinstance(parsed, Manifest):
            raise DbtFailed("dbt parse gave no manifest.")
        self._manifest = parsed

    def run(self, command: str, *selection: str, full_refresh: bool = False) -> list[NodeRun]:
        """`build`, `run`, `seed` or `test` a selection (nothing selected: everything). Raises `DbtFailed`."""
        built = self.attempt(command, *selection, full_refresh=full_refresh)
        if built.failed:
            said = "; ".join(f"{failure.key[1]}: {failure.message}" for failure in built.failed)
            raise DbtFailed(f"dbt {command} failed. {said}")
        return built.done

    def attempt(self, command: str, *selection: str, full_refresh: bool = False) -> Built:
        """The same, without raising for a node that fails: others that do not depend on it have run."""
        options = [*(["--select", *selection] if selection else []), *(["--full-refresh"] if full_refresh else [])]
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

    def tagged(self, tag: str) -> list[str]:
        """The names of the models with a tag, each after those it depends on."""
        nodes = self._manifest.nodes if self._manifest else {}
        models = {key: node for key, node in nodes.items() if isinstance(node, ModelNode)}
        order = TopologicalSorter({key: node.depends_on.nodes for key, node in models.items()}).static_order()
        return [models[key].name for key in order if key in models and tag in models[key].config.tags]

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
    message = IN_SCOPE.sub("", " ".join(str(result.message).split()))
    key = (str(result.node.schema), str(result.node.name))
    return NodeFailure(key, message[:MAX_MESSAGE_CHARACTERS], str(result.node.compiled_code or ""))

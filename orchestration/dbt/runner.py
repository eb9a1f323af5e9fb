"""dbt in this process, with a manifest that is read once: a command costs its queries and little more."""

from dataclasses import dataclass
from typing import Any

from dbt.artifacts.schemas.results import RunStatus, TestStatus
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest

from echolead.settings import Settings
from orchestration.dbt.project import common_arguments, export_connection

FAILED = (RunStatus.Error, TestStatus.Error, TestStatus.Fail)


class DbtFailed(RuntimeError):
    """A dbt command did not do what it was asked; the message names the nodes and what the warehouse said."""


@dataclass(frozen=True)
class NodeRun:
    """One model, seed or test that ran. `key` is (database, name)."""

    key: tuple[str, str]
    seconds: float


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
        options = [*(["--select", *selection] if selection else []), *(["--full-refresh"] if full_refresh else [])]
        # Listing the tables of every database costs the embedded warehouse as much as two models.
        lean = ["--no-write-json", *(["--cache-selected-only"] if selection else [])]
        result = self._invoke([command, *lean, *options]).result
        if not isinstance(result, RunExecutionResult):
            return []
        return [_node_run(each) for each in result.results if each.status == RunStatus.Success]

    def _invoke(self, arguments: list[str]) -> dbtRunnerResult:
        quiet = ["--quiet", "--no-print", "--no-use-colors", "--log-level-file", "none"]
        result = dbtRunner(manifest=self._manifest).invoke([*quiet, *arguments, *self._where])
        if result.exception is not None and not isinstance(result.exception, Exception):
            raise result.exception  # dbt catches the interrupt that ends a run as well
        if not result.success:
            raise _failure(arguments, result) from result.exception
        return result


def _failure(arguments: list[str], result: dbtRunnerResult) -> DbtFailed:
    if isinstance(result.result, RunExecutionResult):
        said = [f"{each.node.name}: {each.message}" for each in result.result.results if each.status in FAILED]
    else:
        said = [str(result.exception)]
    return DbtFailed(f"dbt {' '.join(arguments)} failed. {'; '.join(said)}")


def _node_run(result: Any) -> NodeRun:
    return NodeRun((str(result.node.schema), str(result.node.name)), float(result.execution_time))

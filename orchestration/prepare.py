"""What must be there before Dagster starts: raw tables, mirrors, dbt's manifest, the first build, Dagster's own tables.

`python -m orchestration.prepare`, after `python -m echolead.setup`. Safe to repeat at every start, and quick when
nothing has changed: what was done is remembered with the fingerprint of the dbt project.
"""

import json
import logging
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import dlt_pipelines.operational.mirror as operational
from dlt_pipelines.raw import ensure_raw_tables
from echolead.settings import Settings, load_settings
from echolead.warehouse import connect
from orchestration import instance
from orchestration.dbt import project

if TYPE_CHECKING:
    from orchestration.dbt.runner import Dbt, NodeFailure

BUILT_FILE = "built.json"
VIEWS = "config.materialized:view"

log = logging.getLogger("prepare")


def prepare(settings: Settings) -> None:
    """Do what is not done yet. Raises what the failing part raises."""
    instance.write_configuration(settings)
    log.info("raw tables")
    ensure_raw_tables(settings)
    log.info("mirror of the configuration")
    operational.mirror_configuration(settings)
    wanted = {"project": project.fingerprint()}
    remembered = _remembered(settings)
    if project.manifest_path(settings).exists() and remembered == wanted and _is_built(settings):
        return
    is_whole = _build(settings)
    log.info("Dagster's tables")
    _create_dagster_tables(settings)
    if is_whole:
        _file(settings).write_text(json.dumps(wanted))


def _build(settings: Settings) -> bool:
    """Parse the project and build every seed and model once, so that no reader meets a missing table.

    A model that fails keeps nothing else from starting: the live path tries it again and tells of it. Whether all
    were built.
    """
    from dlt_pipelines.lease import Lease  # noqa: PLC0415  # only the first start pays for these
    from orchestration.dbt.runner import Dbt  # noqa: PLC0415

    project.target_dir(settings).mkdir(parents=True, exist_ok=True)
    log.info("parsing the dbt project")
    project.deploy(settings)
    dbt = Dbt(settings)
    with Lease(settings.postgres_loader_url.get_secret_value(), project.TURN_LEASE):
        log.info("seeds")
        dbt.run("seed")
        log.info("tables and views")
        failed = dbt.attempt("run", f"+{project.TURN},{VIEWS}").failed
        # Other SQL may give other rows, and everything here can be made again from raw.
        failed += dbt.attempt("run", project.TURN, full_refresh=True, is_empty=True).failed
        failed += dbt.attempt("run", VIEWS).failed
        if not failed:
            failed = _take_all_turns(settings, dbt)
    if failed:
        log.error("models that cannot be built are tried again by the live path: %s", _said(failed))
    return not failed


def _take_all_turns(settings: Settings, dbt: "Dbt") -> "list[NodeFailure]":
    """Turns over all of raw, each over a bounded number of events. What failed in one that did not come to its end."""
    from orchestration.live.warehouse_turns import WarehouseTurns  # noqa: PLC0415  # as above

    with WarehouseTurns(settings, dbt) as turns:
        while turn := turns.run():
            if not turn.is_done:
                return turn.failed
            log.info("%d events", turn.rows_written.get("events", 0))
    return []


def _said(failed: "Sequence[NodeFailure]") -> str:
    return "; ".join(f"{'.'.join(failure.key)}: {failure.message}" for failure in failed)


def _create_dagster_tables(settings: Settings) -> None:
    """Let Dagster create or migrate its tables here, and not in three processes at once."""
    from dagster import DagsterInstance  # noqa: PLC0415

    with DagsterInstance.from_config(str(settings.dagster_home)) as dagster:
        dagster.upgrade()


def _is_built(settings: Settings) -> bool:
    with closing(connect(settings.clickhouse("dbt"))) as client:
        return bool(client.command("EXISTS TABLE activation.lead_deliveries"))


def _file(settings: Settings) -> Path:
    return settings.data_dir / "dbt" / BUILT_FILE


def _remembered(settings: Settings) -> dict[str, str] | None:
    try:
        remembered: dict[str, str] = json.loads(_file(settings).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return remembered


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    prepare(load_settings())
    sys.exit(0)

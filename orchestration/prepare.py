"""What must be there before Dagster starts: raw tables, mirrors, dbt's manifest, the tables, Dagster's own tables.

`python -m orchestration.prepare`, after `python -m echolead.setup`. Safe to repeat at every start, and quick when
nothing has changed: what was built is remembered with the versions of the models.
"""

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

import dlt_pipelines.operational.mirror as operational
from dlt_pipelines.raw import ensure_raw_tables
from echolead.lake_lag import days_of_the_lake_alone
from echolead.operational.live_steps import StepRecord
from echolead.settings import Settings, load_settings
from echolead.warehouse import connect, standing
from echolead.warehouse_accounts import MODEL_DATABASES
from orchestration import instance
from orchestration.dbt import project

if TYPE_CHECKING:
    from orchestration.dbt.runner import Dbt, NodeFailure

BUILT_FILE = "built.json"
STEP = "building changed models"
"""The step of the live path that fails while the warehouse runs an older project than there is."""
VIEWS = "config.materialized:view"
TRIES = 5
FIRST_PAUSE_SECONDS = 2.0

log = logging.getLogger("prepare")


class NotBuilt(RuntimeError):
    """A model could not be built; the message says where to look."""


def prepare(settings: Settings) -> None:
    """Do what is not done yet. Raises what the failing part raises.

    While the warehouse does not answer it is tried again, and then an error; nothing of it is built anew for that.
    """
    instance.write_configuration(settings)
    log.info("raw tables")
    ensure_raw_tables(settings)
    log.info("mirror of the configuration")
    operational.mirror_configuration(settings)
    remembered = _remembered(settings)
    with closing(connect(settings.clickhouse("dbt"))) as client:
        if _is_up_to_date(settings, client, remembered):
            return
        versions = _bring_up_to_date(settings, client, remembered.get("versions", {}))
    log.info("Dagster's tables")
    _create_dagster_tables(settings)
    if versions is not None:
        _remember(settings, versions)


def build_everything(settings: Settings) -> None:
    """Build every table behind raw anew, and put it in place of what readers see; deliveries that are equal stay.

    Raises `WarehouseAway`, and `NotBuilt` when a model fails: everything is as it was then.
    """
    with closing(connect(settings.clickhouse("dbt"))) as client:
        for database in sorted(MODEL_DATABASES):
            client.command(f"create database if not exists {database}")
        versions = _bring_up_to_date(settings, client, {})
    if versions is None:
        raise NotBuilt(f"The models cannot be built: `echolead doctor` shows why, at `{STEP}`.")
    _remember(settings, versions)


def _is_up_to_date(settings: Settings, client: Client, remembered: Mapping[str, Any]) -> bool:
    if not project.manifest_path(settings).exists() or remembered.get("project") != project.fingerprint():
        return False
    return bool(remembered["versions"].keys() <= standing(client))


def _bring_up_to_date(settings: Settings, client: Client, built: Mapping[str, str]) -> dict[str, str] | None:
    """Build what has changed since `built`; the versions of all there is now, None when something cannot be built.

    Then everything is as it was, and the failing step is reported until a later start has built it.
    """
    from orchestration.dbt.runner import WarehouseAway  # noqa: PLC0415  # only a start that builds pays for dbt

    build = _build_changes if _has_taken_turns(client) else _build_first
    for number in range(TRIES):
        try:
            return _told(settings, lambda: build(settings, client, built))
        except (WarehouseAway, OperationalError) as error:
            if number == TRIES - 1:
                raise
            pause = FIRST_PAUSE_SECONDS * 2**number
            log.warning("the warehouse does not answer; the next try is in %.0f s: %s", pause, error)
            time.sleep(pause)
    return None


def _told(settings: Settings, build: Callable[[], dict[str, str]]) -> dict[str, str] | None:
    """What `build` gives; an error that stays is written down. Raises errors that may pass."""
    from orchestration.dbt.beside import NotInPlace  # noqa: PLC0415  # as above
    from orchestration.dbt.runner import DbtFailed, WarehouseAway  # noqa: PLC0415

    with closing(StepRecord(settings.postgres_loader_url.get_secret_value())) as record:
        try:
            versions = build()
        except (WarehouseAway, OperationalError):
            raise
        except (DbtFailed, NotInPlace, DatabaseError) as error:
            log.error("what has changed cannot be built: %s", error)  # noqa: TRY400  # the warehouse's own message
            record.failed(STEP, str(error))
            return None
        record.succeeded(STEP)
    return versions


def _has_taken_turns(client: Client) -> bool:
    """Whether readers have anything to see yet."""
    return "ops.turns" in standing(client) and client.command("select count() from ops.turns") != 0


def _build_changes(settings: Settings, client: Client, built: Mapping[str, str]) -> dict[str, str]:
    """Beside the tables that readers see, and then in their place."""
    from dlt_pipelines.lease import Lease  # noqa: PLC0415  # as above
    from orchestration.dbt.beside import BUILD_LEASE, Beside, change_of, project_versions  # noqa: PLC0415
    from orchestration.dbt.runner import Dbt  # noqa: PLC0415

    with Lease(settings.postgres_loader_url.get_secret_value(), BUILD_LEASE):
        project.copy_project(settings)
        log.info("parsing the dbt project")
        dbt = Dbt(settings, project.NEXT)
        present = project_versions(settings, dbt.manifest, project.NEXT)
        change = change_of(dbt.manifest, present, built, standing(client))
        if change.in_turns:
            _check_history(settings)
        Beside(settings, client, dbt, change).build()
    return present


def _check_history(settings: Settings) -> None:
    """Raises `NotInPlace` when models over all of raw would lose the days that raw no longer has."""
    import psycopg  # noqa: PLC0415  # as above

    from orchestration.dbt.beside import NotInPlace  # noqa: PLC0415

    url = settings.postgres_loader_url.get_secret_value()
    with (
        psycopg.connect(url, connect_timeout=5) as connection,
        closing(connect(settings.clickhouse("loader"))) as client,
    ):
        alone = days_of_the_lake_alone(connection, client)
    if alone is not None:
        raise NotInPlace(
            f"Raw begins at {alone[1] or 'no day'}, and the lake at {alone[0]}: `echolead rebuild --from lake` brings "
            "these days back and builds what has changed; until then everything stays as it was"
        )


def _build_first(settings: Settings, client: Client, built: Mapping[str, str]) -> dict[str, str]:  # noqa: ARG001
    """Every seed and model where readers will see them: there is nothing yet that they could miss.

    A model that fails keeps nothing else from starting: the live path tries it again and tells of it.
    """
    from dlt_pipelines.lease import Lease  # noqa: PLC0415  # as above
    from orchestration.dbt.beside import other_tables, project_versions  # noqa: PLC0415
    from orchestration.dbt.runner import Dbt, failed  # noqa: PLC0415
    from orchestration.dbt.versions import behind, built_nodes, is_view, views_before  # noqa: PLC0415

    project.target_dir(settings).mkdir(parents=True, exist_ok=True)
    log.info("parsing the dbt project")
    project.deploy(settings)
    dbt = Dbt(settings)
    versions = project_versions(settings, dbt.manifest, project.WAREHOUSE)
    nodes = built_nodes(dbt.manifest)
    of_turns = {key for key, node in nodes.items() if {"turn", "chat", "deals"} & set(node.tags)}
    others = other_tables(nodes[key] for key in nodes.keys() - of_turns)
    of_others = behind(dbt.manifest, {key for key, node in nodes.items() if node.name in others})
    views = {key for key, node in nodes.items() if is_view(node)}
    later_views = [nodes[key].name for key in views - views_before(nodes, of_turns) - of_others]
    with Lease(settings.postgres_loader_url.get_secret_value(), project.TURN_LEASE):
        log.info("seeds")
        dbt.run("seed")
        log.info("tables and views")
        # Turns over events read what is known of chats and deals.
        failures = dbt.attempt("run", f"+{project.CHAT},{VIEWS}", f"+{project.DEALS},{VIEWS}").failed
        failures += dbt.attempt("run", project.CHAT, project.DEALS, full_refresh=True).failed
        failures += dbt.attempt("run", f"+{project.TURN},{VIEWS}").failed
        failures += dbt.attempt("run", project.TURN, full_refresh=True, is_empty=True).failed
        failures += dbt.attempt("run", *later_views).failed
        if not failures:
            failures = _take_all_turns(settings, dbt)
        if not failures:
            last = {*other_tables(nodes.values()), *(nodes[key].name for key in views & of_others)}
            failures = dbt.attempt("run", *last).failed
    if failures:
        raise failed("run", failures)
    return versions


def _take_all_turns(settings: Settings, dbt: "Dbt") -> "list[NodeFailure]":
    """Turns over all of raw, each over a bounded number of events. What failed in one that did not come to its end."""
    from orchestration.live.warehouse_turns import WarehouseTurns  # noqa: PLC0415  # as above

    with WarehouseTurns(settings, dbt) as turns:
        while turn := turns.run():
            if not turn.is_done:
                return turn.failed
            log.info("%d events", turn.rows_written.get("events", 0))
    return []


def _create_dagster_tables(settings: Settings) -> None:
    """Let Dagster create or migrate its tables here, and not in three processes at once."""
    from dagster import DagsterInstance  # noqa: PLC0415

    with DagsterInstance.from_config(str(settings.dagster_home)) as dagster:
        dagster.upgrade()


def _file(settings: Settings) -> Path:
    return settings.data_dir / "dbt" / BUILT_FILE


def _remember(settings: Settings, versions: Mapping[str, str]) -> None:
    _file(settings).write_text(json.dumps({"project": project.fingerprint(), "versions": versions}))


def _remembered(settings: Settings) -> dict[str, Any]:
    try:
        remembered: dict[str, Any] = json.loads(_file(settings).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return remembered if "versions" in remembered else {}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    prepare(load_settings())
    sys.exit(0)

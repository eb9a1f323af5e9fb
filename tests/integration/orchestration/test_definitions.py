"""What Dagster knows of, loaded as its code server loads it: in a process of its own, on a parsed dbt project."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SHOW = """
import json
from dagster._core.execution.api import create_execution_plan
from echolead.settings import load_settings
from orchestration.dbt import project
from orchestration.dbt.runner import Dbt

settings = load_settings()
project.deploy(settings)
Dbt(settings)
from orchestration.definitions import defs

graph = defs.resolve_asset_graph()
manifest = json.loads(project.manifest_path(settings).read_text())
nodes = manifest["nodes"].values()
print(json.dumps({
    "assets": sorted(key.to_user_string() for key in graph.get_all_asset_keys()),
    "parents": {key.to_user_string(): sorted(parent.to_user_string() for parent in graph.get(key).parent_keys)
                for key in graph.get_all_asset_keys()},
    "checks": len(graph.asset_check_keys),
    "models": sorted(f"{node['schema']}/{node['name']}" for node in nodes
                     if node["resource_type"] in ("model", "seed", "snapshot")),
    "tests": sum(node["resource_type"] == "test" for node in nodes),
    "turn": sorted(f"{node['schema']}/{node['name']}" for node in nodes
                  if {"turn", "chat", "deals"} & set(node.get("tags", []))
                  and node["resource_type"] == "model"),
    "jobs": sorted(job.name for job in defs.resolve_all_job_defs()),
    "sensors": [sensor.name for sensor in defs.sensors],
    "schedules": [schedule.name for schedule in defs.schedules],
    "steps": [step.key for step
              in create_execution_plan(defs.resolve_job_def("full_build")).get_all_steps_in_topo_order()],
    "full_build": sorted(key.to_user_string()
                         for key in defs.resolve_job_def("full_build").asset_layer.selected_asset_keys),
}))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names of everything; nothing needs a server for it."""
    data_dir = tmp_path_factory.mktemp("stack")
    names = {name: value for name, value in os.environ.items() if not name.startswith("ECHOLEAD_")}
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        env={
            **names,
            "ECHOLEAD_DATA_DIR": str(data_dir),
            "ECHOLEAD_CLICKHOUSE_URL": "http://echolead:x@127.0.0.1:1",
            "ECHOLEAD_POSTGRES_SYSTEM_URL": "postgresql://echolead_system:x@127.0.0.1:1/echolead",
            "DAGSTER_HOME": str(data_dir),
        },
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_every_model_and_seed_is_an_asset(loaded: dict[str, Any]) -> None:
    assert set(loaded["models"]) - set(loaded["assets"]) == set()
    assert len(loaded["models"]) > 20


def test_every_dbt_test_is_an_asset_check_beside_our_own(loaded: dict[str, Any]) -> None:
    assert loaded["checks"] >= loaded["tests"] * 0.9  # a test over two models or a source is an observation instead
    assert loaded["tests"] > 20


def test_the_way_of_an_event_is_one_chain_from_the_loader_to_the_ledger_and_its_mirror(loaded: dict[str, Any]) -> None:
    parents = loaded["parents"]
    assert parents["raw/deliveries"] == ["operational/deliveries"]
    assert parents["operational/deliveries"] == ["activation/lead_deliveries"]
    assert upstream("activation/lead_deliveries", parents) >= {"raw/events", "raw/destinations", "enriched/events"}
    assert upstream("marts/funnel_daily", parents) >= {"raw/events", "marts/leads"}


def test_the_live_path_has_every_model_between_an_event_and_its_delivery(loaded: dict[str, Any]) -> None:
    between = {key for key in upstream("activation/lead_deliveries", loaded["parents"]) if key in loaded["models"]}
    cold = {key for key in between if key not in loaded["turn"] and not key.startswith("staging/")}
    views = {"enriched/tenant_rules", "marts/deal_stage_history"}
    assert cold - views == set()


def test_jobs_sensor_and_schedules_are_there(loaded: dict[str, Any]) -> None:
    own = {"live", "full_build", "forget_old_runs", "chat_pull", "pull_deals", "pull_spend"}
    assert own | {"lake_upkeep", "lake_verification"} <= set(loaded["jobs"])
    assert loaded["sensors"] == ["keep_live", "pull_due_deals", "pull_due_spend"]
    assert sorted(loaded["schedules"]) == [
        "hourly_build",
        "hourly_lake_upkeep",
        "nightly_forgetting",
        "nightly_lake_verification",
        "regular_chat_pull",
    ]


def test_the_full_build_holds_everything_but_deliveries_pulls_and_replays(loaded: dict[str, Any]) -> None:
    outside = {
        "lake/files",
        "operational/deliveries",
        "operational/delivery_attempts",
        "ops/replayed_days",
        "raw/chat_records",
        "raw/deal_records",
        "raw/ad_spend",
    }
    assert set(loaded["models"]) <= set(loaded["full_build"])
    assert outside & set(loaded["full_build"]) == set()


def test_the_full_build_checks_the_queue_and_the_ledger_as_well(loaded: dict[str, Any]) -> None:
    ours = {"raw__events_events_do_not_wait_in_the_queue", "raw__events_few_events_come_twice",
            "raw__chatwoot_events_webhooks_do_not_wait_in_the_queue",
            "raw__rejected_events_dead_letters_do_not_wait_in_the_queue",
            "enriched__events_every_received_event_is_enriched_once",
            "operational__deliveries_no_delivery_is_stuck",
            "raw__chat_records_every_account_of_chats_is_pulled"}  # fmt: skip
    assert ours <= set(loaded["steps"])


def test_the_full_build_takes_each_set_once_and_the_mirror_once(loaded: dict[str, Any]) -> None:
    builds = [
        step for step in loaded["steps"] if step.startswith(("seeds", "views_", "turns", "chats", "operational_mirror"))
    ]
    assert sorted(builds[:2]) == ["operational_mirror", "seeds"]
    assert [step for step in builds[2:] if step != "chats"] == ["views_before", "turns", "views_behind"]
    assert builds.count("chats") == 1


def upstream(key: str, parents: dict[str, list[str]]) -> set[str]:
    """Everything above an asset."""
    found: set[str] = set()
    left = [key]
    while left:
        for parent in parents[left.pop()]:
            if parent not in found:
                found.add(parent)
                left.append(parent)
    return found

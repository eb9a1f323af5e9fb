"""Dagster's own configuration: `<data_dir>/dagster/dagster.yaml` and `workspace.yaml`, written at each start."""

import json
from pathlib import Path
from typing import Any

from echolead.private_files import write_private
from echolead.settings import Settings

OWNER_ALONE = 0o700
TICKS_KEPT_DAYS = {"skipped": 1, "success": 7, "failure": 30, "started": 1}


def write_configuration(settings: Settings) -> None:
    """Write both files. The first holds the password of Dagster's database, so only we can read it.

    The folder is closed to others, as the code server's socket in it is open to whoever comes to it.
    JSON is YAML; it needs no second opinion on quoting.
    """
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(OWNER_ALONE)
    write_private(home / "dagster.yaml", json.dumps(instance_configuration(settings), indent=2))
    workspace_file(settings).write_text(json.dumps(workspace(settings), indent=2))


def instance_configuration(settings: Settings) -> dict[str, Any]:
    """Storage in PostgreSQL, runs started at once (a queue costs seconds), dead runs noticed, old ticks dropped."""
    return {
        "storage": {"postgres": {"postgres_url": storage_url(settings)}},
        "run_coordinator": {
            "module": "dagster._core.run_coordinator",
            "class": "DefaultRunCoordinator",
        },
        "run_monitoring": {
            "enabled": True,
            "start_timeout_seconds": 120,
            "cancel_timeout_seconds": 60,
            "max_resume_run_attempts": 0,
            "poll_interval_seconds": 30,
        },
        "compute_logs": {
            "module": "dagster._core.storage.local_compute_log_manager",
            "class": "LocalComputeLogManager",
            "config": {"base_dir": str(settings.dagster_home / "compute_logs")},
        },
        "local_artifact_storage": {
            "module": "dagster._core.storage.root",
            "class": "LocalArtifactStorage",
            "config": {"base_dir": str(settings.dagster_home)},
        },
        "retention": {
            "schedule": {"purge_after_days": TICKS_KEPT_DAYS},
            "sensor": {"purge_after_days": TICKS_KEPT_DAYS},
        },
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
    }


def storage_url(settings: Settings) -> str:
    """The database's address for SQLAlchemy, with the driver Dagster is written for.

    The default of SQLAlchemy 2.1, psycopg 3, binds parameters on the server, and NOTIFY takes none.
    """
    _, _, address = settings.dagster_postgres_url.get_secret_value().partition("://")
    return f"postgresql+psycopg2://{address}"


def workspace(settings: Settings) -> dict[str, Any]:
    """The one code location: our code server."""
    server = {"socket": str(settings.dagster_code_socket), "location_name": "echolead"}
    return {"load_from": [{"grpc_server": server}]}


def workspace_file(settings: Settings) -> Path:
    """Where Dagster's web server and daemon read which code locations there are."""
    return settings.dagster_home / "workspace.yaml"

"""Where the dbt project is, how it reaches the warehouse, and its prepared manifest."""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from echolead.settings import Settings

PROJECT_DIR = Path(__file__).parents[2] / "dbt_project"
HASHED_SUFFIXES = {".sql", ".yml", ".yaml", ".csv", ".md"}
# Full builds and the live path never write the same models at once: whoever holds this lease does.
HOT_LEASE = "dbt hot models"
REST_LEASE = "dbt other models"
HOT = "tag:hot"


def target_dir(settings: Settings) -> Path:
    """Where dbt keeps the manifest and what it compiled."""
    return settings.data_dir / "dbt" / "target"


def manifest_path(settings: Settings) -> Path:
    """The manifest that `prepare` made for this version of the project."""
    return target_dir(settings) / "manifest.json"


def read_manifest(settings: Settings) -> dict[str, Any]:
    """The prepared manifest. Raises `FileNotFoundError` when `python -m orchestration.prepare` has not run."""
    manifest: dict[str, Any] = json.loads(manifest_path(settings).read_text())
    return manifest


def export_connection(settings: Settings) -> None:
    """Set the variables that dbt_project/profiles.yml reads, in this process and those it starts."""
    url = urlsplit(settings.clickhouse_url.get_secret_value())
    os.environ.update(
        {
            "ECHOLEAD_DBT_HOST": url.hostname or "127.0.0.1",
            "ECHOLEAD_DBT_PORT": str(url.port or (443 if url.scheme == "https" else 80)),
            "ECHOLEAD_DBT_USER": unquote(url.username or "default"),
            "ECHOLEAD_DBT_PASSWORD": unquote(url.password or ""),
            "ECHOLEAD_DBT_SECURE": str(url.scheme == "https").lower(),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_TARGET_PATH": str(target_dir(settings)),
            "DBT_LOG_PATH": str(settings.data_dir / "dbt" / "logs"),
        }
    )


def fingerprint() -> str:
    """Changes with any file of the project and with the interpreter: what was parsed or built before is then old."""
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(PROJECT_DIR.rglob("*")):
        inside = file.relative_to(PROJECT_DIR)
        if file.suffix in HASHED_SUFFIXES and file.is_file() and inside.parts[0] not in ("target", "logs"):
            digest.update(str(inside).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def common_arguments() -> list[str]:
    """Arguments of every dbt command."""
    return ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)]

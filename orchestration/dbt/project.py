"""Where the dbt project is, how it reaches the warehouse, and its prepared manifest.

Everything runs a copy that `prepare` makes in the data directory: a file edited under a running stack must not meet
tables that were built by another version. An edit takes effect with the next `prepare`, which builds it.
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from echolead.settings import Settings

SOURCE_DIR = Path(__file__).parents[2] / "dbt_project"
HASHED_SUFFIXES = {".sql", ".yml", ".yaml", ".csv", ".md"}
# Whoever writes the tables of turns, or the seeds they read, holds this lease.
TURN_LEASE = "turns of the warehouse"
TURN = "tag:turn"


def target_dir(settings: Settings) -> Path:
    """Where dbt keeps the manifest and what it compiled."""
    return settings.data_dir / "dbt" / "target"


def manifest_path(settings: Settings) -> Path:
    """The manifest that `prepare` made for this version of the project."""
    return target_dir(settings) / "manifest.json"


def export_connection(settings: Settings) -> None:
    """Set the variables that dbt_project/profiles.yml reads, in this process and those it starts."""
    url = urlsplit(settings.clickhouse("dbt"))
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
    for file in sorted(SOURCE_DIR.rglob("*")):
        inside = file.relative_to(SOURCE_DIR)
        if file.suffix in HASHED_SUFFIXES and file.is_file() and inside.parts[0] not in ("target", "logs"):
            digest.update(str(inside).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def common_arguments(settings: Settings) -> list[str]:
    """Arguments of every dbt command."""
    directory = str(project_dir(settings))
    return ["--project-dir", directory, "--profiles-dir", directory]


def project_dir(settings: Settings) -> Path:
    """The copy that this stack runs."""
    return settings.data_dir / "dbt" / "project"


def deploy(settings: Settings) -> None:
    """Replace the copy with the project as it is now."""
    new = project_dir(settings).with_name("project.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(SOURCE_DIR, new, ignore=shutil.ignore_patterns("target", "logs", ".*"))
    shutil.rmtree(project_dir(settings), ignore_errors=True)
    new.rename(project_dir(settings))

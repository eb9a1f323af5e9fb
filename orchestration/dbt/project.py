"""Where the dbt project is, how it reaches the warehouse, and its prepared manifest.

Everything runs a copy that `prepare` makes in the data directory: a file edited under a running stack must not meet
tables that were built by another version. An edit takes effect with the next `prepare`, which builds it.
"""

import getpass
import hashlib
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from echolead.settings import Settings

SOURCE_DIR = Path(__file__).parents[2] / "dbt_project"
HASHED_SUFFIXES = {".sql", ".yml", ".yaml", ".csv", ".md"}
# Whoever writes the tables of turns, or the seeds they read, holds this lease.
TURN_LEASE = "turns of the warehouse"
TURN = "tag:turn"
CHAT = "tag:chat"
CONVERSATIONS = "tag:conversations"
DEALS = "tag:deals"
CAMPAIGNS = "tag:campaigns"

Target = Literal["warehouse", "next", "dev"]
"""A target of dbt_project/profiles.yml: what readers see, what is built beside it, an analyst's own."""
WAREHOUSE: Target = "warehouse"
NEXT: Target = "next"
DEV: Target = "dev"


def target_dir(settings: Settings, target: Target = WAREHOUSE) -> Path:
    """Where dbt keeps the manifest and what it compiled. Each target has its own: names of databases are part of it."""
    return settings.data_dir / "dbt" / ("target" if target == WAREHOUSE else f"target.{target}")


def manifest_path(settings: Settings) -> Path:
    """The manifest that `prepare` made for this version of the project."""
    return target_dir(settings) / "manifest.json"


def export_connection(settings: Settings, target: Target = WAREHOUSE) -> None:
    """Set the variables that dbt_project/profiles.yml reads, in this process and those it starts."""
    url = urlsplit(settings.clickhouse("analyst" if target == DEV else "dbt"))
    os.environ.update(
        {
            "ECHOLEAD_DBT_DEVELOPER": developer(settings),
            "ECHOLEAD_DBT_HOST": url.hostname or "127.0.0.1",
            "ECHOLEAD_DBT_PORT": str(url.port or (443 if url.scheme == "https" else 80)),
            "ECHOLEAD_DBT_USER": unquote(url.username or "default"),
            "ECHOLEAD_DBT_PASSWORD": unquote(url.password or ""),
            "ECHOLEAD_DBT_SECURE": str(url.scheme == "https").lower(),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_TARGET_PATH": str(target_dir(settings, target)),
            "DBT_LOG_PATH": str(settings.data_dir / "dbt" / "logs"),
        }
    )


def developer(settings: Settings) -> str:
    """Whose databases the target `dev` writes."""
    return settings.developer or re.sub("[^a-z0-9_]", "_", getpass.getuser().lower())


def fingerprint() -> str:
    """Changes with any file of the project and with the interpreter: what was parsed or built before is then old."""
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(SOURCE_DIR.rglob("*")):
        inside = file.relative_to(SOURCE_DIR)
        if file.suffix in HASHED_SUFFIXES and file.is_file() and inside.parts[0] not in ("target", "logs"):
            digest.update(str(inside).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def common_arguments(settings: Settings, target: Target = WAREHOUSE) -> list[str]:
    """Arguments of every dbt command."""
    directory = str(SOURCE_DIR if target == DEV else project_dir(settings, target))
    places = ["--project-dir", directory, "--profiles-dir", directory]
    return [*places, "--target-path", str(target_dir(settings, target)), "--target", target]


def project_dir(settings: Settings, target: Target = WAREHOUSE) -> Path:
    """The copy that this stack runs; for `next` the one that takes its place when it is built."""
    return settings.data_dir / "dbt" / ("project.next" if target == NEXT else "project")


def copy_project(settings: Settings) -> None:
    """Copy the project as it is now, as the next one."""
    new = project_dir(settings, NEXT)
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(SOURCE_DIR, new, ignore=shutil.ignore_patterns("target", "logs", ".*"))


def deploy(settings: Settings) -> None:
    """Replace the copy that this stack runs with the project as it is now."""
    copy_project(settings)
    put_next_in_place(settings)


def put_next_in_place(settings: Settings) -> None:
    """Make the next copy the one that this stack runs."""
    shutil.rmtree(project_dir(settings), ignore_errors=True)
    project_dir(settings, NEXT).rename(project_dir(settings))

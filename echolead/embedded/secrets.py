"""Secrets of the embedded stack: made once, kept in `<data_dir>/secrets.json` (mode 0600)."""

import json
import os
import secrets
import stat
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from echolead.private_files import write_private
from echolead.security import new_secret_key
from echolead.settings import STACK_ENV

SECRETS_FILE = "secrets.json"
KEPT = (
    *(SECRETS_FILE, STACK_ENV, "stack.json", "stack.lock"),
    *("env", "postgres", "nats", "warehouse", "demo", "dagster", "dbt", "dlt", "logs"),
)
"""The names in a stack's directory (docs/guides/running.md)."""


def _password() -> str:
    # Letters and digits only: it becomes part of URLs.
    return secrets.token_hex(24)


@dataclass(frozen=True)
class StackSecrets:
    """One password for each account of the stack, and the keys of the settings."""

    postgres_superuser: str = field(default_factory=_password, repr=False)
    postgres_owner: str = field(default_factory=_password, repr=False)
    postgres_system: str = field(default_factory=_password, repr=False)
    postgres_app: str = field(default_factory=_password, repr=False)
    postgres_collector: str = field(default_factory=_password, repr=False)
    postgres_api: str = field(default_factory=_password, repr=False)
    postgres_loader: str = field(default_factory=_password, repr=False)
    postgres_deliveries: str = field(default_factory=_password, repr=False)
    dagster: str = field(default_factory=_password, repr=False)
    warehouse: str = field(default_factory=_password, repr=False)
    warehouse_operator: str = field(default_factory=_password, repr=False)
    warehouse_loader: str = field(default_factory=_password, repr=False)
    warehouse_dbt: str = field(default_factory=_password, repr=False)
    warehouse_deliveries: str = field(default_factory=_password, repr=False)
    warehouse_analyst: str = field(default_factory=_password, repr=False)
    warehouse_tenant_key: str = field(default_factory=_password, repr=False)
    nats: str = field(default_factory=_password, repr=False)
    nats_setup: str = field(default_factory=_password, repr=False)
    nats_collector: str = field(default_factory=_password, repr=False)
    nats_loader: str = field(default_factory=_password, repr=False)
    collector_secret_key: str = field(default_factory=new_secret_key, repr=False)
    destination_secret_key: str = field(default_factory=new_secret_key, repr=False)
    secret_key: str = field(default="", repr=False)  # for both kinds, in a directory from before each had its own key
    jwt_secret: str = field(default_factory=_password, repr=False)
    demo_password: str = field(default_factory=lambda: f"demo-{secrets.token_urlsafe(12)}", repr=False)


def make_private(data_dir: Path) -> None:
    """Create the directory if there is none, and close it and a stack's files in it to other users.

    As root PostgreSQL runs as another user, which must be able to enter the directory to reach its own folder; it
    cannot list the directory, and the other files are closed to it. An existing directory gets no additional rights,
    and one with other files in it (`/tmp`) is not changed.
    """
    is_ours = not data_dir.exists() or not any(data_dir.iterdir()) or (data_dir / SECRETS_FILE).exists()
    is_new = not data_dir.exists()
    data_dir.mkdir(parents=True, exist_ok=True)
    mode = data_dir.stat().st_mode
    if is_ours and not mode & stat.S_ISVTX:
        passing = 0o711 if os.geteuid() == 0 else 0o700
        data_dir.chmod(passing if is_new else stat.S_IMODE(mode) & passing)
    for name in KEPT:
        kept = data_dir / name
        if kept.exists() and not kept.is_symlink():
            kept.chmod(stat.S_IMODE(kept.stat().st_mode) & 0o700)


def load_or_make_secrets(data_dir: Path) -> StackSecrets:
    """The secrets of this data directory; missing ones are generated and written."""
    path = data_dir / SECRETS_FILE
    known = json.loads(path.read_text()) if path.exists() else {}
    names = {each.name for each in fields(StackSecrets)}
    found = StackSecrets(**{name: value for name, value in known.items() if name in names})
    if asdict(found) != known:
        write_private(path, json.dumps(asdict(found), indent=1))
    return found

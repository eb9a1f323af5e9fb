"""The configuration of a server process: a JSON file of mode 0600, because it contains the passwords."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from echolead.warehouse_accounts import OWNER

MIB = 1024 * 1024


def default_memory_bytes() -> int:
    """Half of the machine's memory, at least 1 GiB: the rest of the stack runs on the same machine."""
    return max(1024 * MIB, psutil.virtual_memory().total // 2)


@dataclass(frozen=True)
class Configuration:
    """Settings of one server. `max_memory_bytes` limits the engine, all queries together.

    `passwords` has a password for each account (echolead/warehouse_accounts.py); tenants' passwords are derived from
    `tenant_key`.
    """

    data_dir: str
    host: str
    port: int
    passwords: dict[str, str]
    tenant_key: str
    max_memory_bytes: int
    max_concurrent_queries: int = 32
    max_query_text_bytes: int = 16 * MIB
    idle_timeout_seconds: int = 30
    body_timeout_seconds: int = 120

    @property
    def password(self) -> str:
        """The owner's."""
        return self.passwords[OWNER]

    def save(self, path: Path) -> None:
        """Write the file; only its owner can read it, from the first byte on."""
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self), indent=2))

    @classmethod
    def load(cls, path: Path) -> "Configuration":
        """Read a file that `save` wrote."""
        return cls(**json.loads(path.read_text()))

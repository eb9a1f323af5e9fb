"""Embedded NATS: the real nats-server from a wheel, with JetStream that syncs every message to disk."""

import json
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from echolead.embedded.part import Part
from echolead.queue_users import OPERATOR, authorization


@dataclass(frozen=True)
class EmbeddedNats:
    """A nats-server with its store under `data_dir`, on loopback unless `host` says otherwise.

    `passwords` by user, for all of `queue_users.USERS`.
    """

    data_dir: Path
    port: int
    monitor_port: int
    passwords: Mapping[str, str] = field(repr=False)
    host: str = "127.0.0.1"
    max_store_bytes: int = 20 * 1024**3

    @property
    def url(self) -> str:
        """URL with full rights."""
        return self.url_of(OPERATOR)

    def url_of(self, user: str) -> str:
        """URL with this user's account."""
        return f"nats://{user}:{self.passwords[user]}@{self.host}:{self.port}"

    @property
    def monitor_url(self) -> str:
        """Monitoring pages (`/varz`, `/healthz`), always on loopback: they name clients and subjects."""
        return f"http://127.0.0.1:{self.monitor_port}"

    def prepare(self) -> None:
        """Write the configuration file (mode 0600: it contains the passwords)."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        configuration = {
            "host": self.host,
            "port": self.port,
            "http": f"127.0.0.1:{self.monitor_port}",
            "max_payload": 8 * 1024 * 1024,
            "jetstream": {
                "store_dir": str(self.data_dir / "jetstream"),
                "max_file_store": self.max_store_bytes,
                # The default of two minutes loses acknowledged messages when power fails.
                "sync_interval": "always",
            },
            "authorization": authorization(self.passwords),
        }
        self._configuration.touch(mode=0o600)
        # nats-server's configuration language accepts JSON.
        self._configuration.write_text(json.dumps(configuration, indent=2))

    def part(self) -> Part:
        """The server process."""
        program = Path(sysconfig.get_path("scripts")) / "nats-server"
        return Part(
            name="nats",
            command=[str(program), "--config", str(self._configuration)],
            ready=self._missing,
            directory=self.data_dir,
        )

    @property
    def _configuration(self) -> Path:
        return self.data_dir / "nats.json"

    def _missing(self) -> str | None:
        try:
            answer = httpx.get(f"{self.monitor_url}/healthz", timeout=2)
        except httpx.HTTPError as error:
            return f"the monitoring page does not answer: {error}"
        return None if answer.status_code == 200 else f"/healthz says {answer.text.strip()}"

"""Embedded warehouse: chDB, the ClickHouse engine as a library, behind ClickHouse's own HTTP interface.

Every client that speaks HTTP to ClickHouse works with it unmodified; only the address differs from production. How it
is built is in docs/decisions/0002-embedded-warehouse.md, what it does in docs/reference/embedded-warehouse.md.
"""

from dataclasses import dataclass
from pathlib import Path

import httpx

from echolead.embedded.clickhouse.configuration import Configuration, default_memory_bytes
from echolead.embedded.clickhouse.users import READER, WRITER
from echolead.embedded.part import Part, python

CONFIGURATION_FILE = "server.json"


@dataclass(frozen=True)
class EmbeddedWarehouse:
    """A warehouse under `data_dir`, on loopback unless `host` says otherwise.

    Two users: `echolead` may do everything, `reader` may change nothing and see no file.
    """

    data_dir: Path
    port: int
    password: str
    readonly_password: str
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        """Address with full rights."""
        return f"http://{WRITER}:{self.password}@{self.host}:{self.port}"

    @property
    def readonly_url(self) -> str:
        """Address of the user that only reads."""
        return f"http://{READER}:{self.readonly_password}@{self.host}:{self.port}"

    def prepare(self) -> None:
        """Write the server's configuration (mode 0600: it holds the passwords)."""
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        Configuration(
            data_dir=str(self.data_dir.resolve()),
            host=self.host,
            port=self.port,
            password=self.password,
            readonly_password=self.readonly_password,
            max_memory_bytes=default_memory_bytes(),
        ).save(self._configuration)

    def part(self) -> Part:
        """The server process."""
        return Part(
            name="warehouse",
            command=python("-m", "echolead.embedded.clickhouse", str(self._configuration.resolve())),
            ready=self._missing,
        )

    @property
    def _configuration(self) -> Path:
        return self.data_dir / CONFIGURATION_FILE

    def _missing(self) -> str | None:
        try:
            answer = httpx.get(
                f"http://{self.host}:{self.port}/", params={"query": "SELECT 1"}, auth=self._auth, timeout=2
            )
        except httpx.HTTPError as error:
            return f"the warehouse does not answer: {error}"
        return None if answer.text == "1\n" else f"SELECT 1 gives {answer.status_code}: {answer.text.strip()}"

    @property
    def _auth(self) -> tuple[str, str]:
        return (WRITER, self.password)

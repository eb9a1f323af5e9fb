"""Embedded warehouse: chDB, the ClickHouse engine as a library, behind ClickHouse's own HTTP interface.

Every HTTP client of ClickHouse works with it unmodified; only the URL differs from production. The design is in
docs/decisions/0002-embedded-warehouse.md, the behaviour in docs/reference/embedded-warehouse.md.
"""

from dataclasses import dataclass
from pathlib import Path

import httpx

from echolead.embedded.clickhouse.configuration import Configuration, default_memory_bytes
from echolead.embedded.part import Part, python
from echolead.warehouse_accounts import ANALYST, DBT, DELIVERIES, LOADER, OPERATOR, OWNER

CONFIGURATION_FILE = "server.json"


@dataclass(frozen=True)
class EmbeddedWarehouse:
    """A warehouse under `data_dir`, on loopback unless `host` is given.

    The accounts are those of echolead/warehouse_accounts.py. An account without a password cannot sign in, and without
    `tenant_key` no tenant's account can.
    """

    data_dir: Path
    port: int
    password: str
    readonly_password: str
    host: str = "127.0.0.1"
    loader_password: str = ""
    dbt_password: str = ""
    deliveries_password: str = ""
    analyst_password: str = ""
    tenant_key: str = ""

    @property
    def url(self) -> str:
        """URL with full rights."""
        return self.url_of(OWNER)

    @property
    def readonly_url(self) -> str:
        """URL with the operator's account, which can read every tenant's rows and change nothing."""
        return self.url_of(OPERATOR)

    @property
    def address(self) -> str:
        """URL without an account."""
        return f"http://{self.host}:{self.port}"

    def url_of(self, account: str) -> str:
        """URL with the given account."""
        return f"http://{account}:{self._passwords[account]}@{self.host}:{self.port}"

    def prepare(self) -> None:
        """Write the server's configuration (mode 0600: it contains the passwords)."""
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        Configuration(
            data_dir=str(self.data_dir.resolve()),
            host=self.host,
            port=self.port,
            passwords=self._passwords,
            tenant_key=self.tenant_key,
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
    def _passwords(self) -> dict[str, str]:
        return {
            OWNER: self.password,
            OPERATOR: self.readonly_password,
            LOADER: self.loader_password,
            DBT: self.dbt_password,
            DELIVERIES: self.deliveries_password,
            ANALYST: self.analyst_password,
        }

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
        return (OWNER, self.password)

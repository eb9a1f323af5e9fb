"""What assets, checks and sensors share: the settings of this stack, and connections made from them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg
from clickhouse_connect.driver.client import Client

from echolead.settings import Settings, load_settings
from echolead.warehouse import connect


class EchoLead(dg.ConfigurableResource[None]):
    """The stack of one data directory. Its configuration names the directory only: Dagster shows configurations."""

    data_dir: str

    def settings(self) -> Settings:
        """The settings, read again: a run that starts after a change follows it."""
        return load_settings(Path(self.data_dir))

    @contextmanager
    def warehouse(self) -> Iterator[Client]:
        """A connection to the warehouse that may read only."""
        with closing(connect(self.settings().clickhouse("readonly"))) as client:
            yield client

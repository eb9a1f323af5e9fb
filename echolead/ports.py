"""Ports of the embedded stack, as offsets from one base, so that several stacks can run side by side."""

from enum import IntEnum


class Port(IntEnum):
    """Offset of each part's port from the base."""

    COLLECTOR = 0
    CONSOLE = 1
    DAGSTER = 2
    WAREHOUSE = 3
    POSTGRES = 4
    NATS = 5
    DEMO_CHATWOOT = 7
    DEMO_PAGES = 8
    NATS_MONITOR = 9
    DEMO_HUBSPOT = 11
    DEMO_PIPEDRIVE = 12
    DEMO_SALESFORCE = 13
    DEMO_RDSTATION = 14
    DEMO_RECEIVER = 15
    DEMO_ADS = 16

    def of(self, base: int) -> int:
        """The part's port in the stack that starts at `base`."""
        return base + self.value

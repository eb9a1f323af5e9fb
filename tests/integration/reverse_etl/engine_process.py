"""An engine in a process of its own, to be killed."""

import time

from reverse_etl.engine import DeliveryEngine
from tests.integration.reverse_etl.settings import QUICK, settings_of


def run_until_killed(urls: dict[str, str]) -> None:
    """Deliver, turn after turn."""
    with DeliveryEngine(settings_of(urls), QUICK) as engine:
        while True:
            engine.run_once()
            time.sleep(0.01)

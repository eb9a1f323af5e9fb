"""Times as the tenant's people read them: on their clock, whatever the browser's is."""

from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd


def local(value: Any, zone: str) -> pd.Timestamp:
    """A time of the warehouse, which is UTC, on the clock of `zone`."""
    stamp = pd.Timestamp(value)
    clock: tzinfo = ZoneInfo(zone)
    return (stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp).tz_convert(clock)

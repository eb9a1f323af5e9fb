"""Times in the console are on the tenant's clock, wherever its people sit."""

import pandas as pd
import pytest

from dashboards.times import local


@pytest.mark.parametrize(
    ("said", "zone", "shown"),
    [
        pytest.param("2026-03-02T01:30", "America/Sao_Paulo", "01/03/2026 22:30:00", id="the day before"),
        pytest.param("2026-03-02T01:30Z", "America/Sao_Paulo", "01/03/2026 22:30:00", id="with its zone"),
        pytest.param("2025-03-09T07:00", "America/New_York", "09/03/2025 03:00:00", id="as the clocks change"),
        pytest.param("2026-01-01T02:59", "America/Sao_Paulo", "31/12/2025 23:59:00", id="the year before"),
    ],
)
def test_a_time_of_the_warehouse_is_shown_on_the_tenants_clock(said: str, zone: str, shown: str) -> None:
    assert local(pd.Timestamp(said), zone).strftime("%d/%m/%Y %H:%M:%S") == shown

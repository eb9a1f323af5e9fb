"""The loader's tables as assets: the live path writes them and logs each load as a materialisation."""

import dagster as dg

GROUP = "raw"

raw_events = dg.AssetSpec(
    ["raw", "events"],
    description="One row per received event, as it came. Loaded by the live path; a repeated event is a repeated row.",
    group_name=GROUP,
    kinds={"dlt", "clickhouse"},
)
rejected_events = dg.AssetSpec(
    ["raw", "rejected_events"],
    description="One row per event or request that could not be accepted, with the reason. Loaded by the live path.",
    group_name=GROUP,
    kinds={"dlt", "clickhouse"},
)
SPECS = [raw_events, rejected_events]

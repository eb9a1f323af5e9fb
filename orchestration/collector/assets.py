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
chatwoot_events = dg.AssetSpec(
    ["raw", "chatwoot_events"],
    description="One row per webhook of Chatwoot, as it came. Loaded by the live path; a repeat is a row as well.",
    group_name=GROUP,
    kinds={"dlt", "clickhouse"},
)
crm_events = dg.AssetSpec(
    ["raw", "crm_events"],
    description="One row per webhook of a CRM, as it came. Loaded by the live path; a repeat is a row as well.",
    group_name=GROUP,
    kinds={"dlt", "clickhouse"},
)
SPECS = [raw_events, rejected_events, chatwoot_events, crm_events]

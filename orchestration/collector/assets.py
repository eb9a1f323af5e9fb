"""The loader's tables as assets: the live path writes them and logs each load as a materialisation."""

import dagster as dg

TABLES = {
    "events": "One row per received event, as it came; a repeated event is a repeated row.",
    "rejected_events": "One row per event or request that could not be accepted, with the reason.",
    "chatwoot_events": "One row per webhook of Chatwoot, as it came; a repeat is a row as well.",
    "crm_events": "One row per webhook of a CRM, as it came; a repeat is a row as well.",
}
SPECS = [
    dg.AssetSpec(
        ["raw", table],
        description=f"{description} Loaded by the live path.",
        group_name="raw",
        kinds={"dlt", "clickhouse"},
    )
    for table, description in TABLES.items()
]

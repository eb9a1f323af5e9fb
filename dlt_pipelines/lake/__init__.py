"""The lake: everything of raw as Parquet files, by table, tenant and day of receipt (docs/reference/lake.md)."""

"""The operational database as assets: its tables outside, their mirror in raw through dagster-dlt."""

"""The dbt project inside Dagster: its manifest, its models as assets, and the runner of the live path."""

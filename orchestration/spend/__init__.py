"""Ad spend: how platforms are called, which accounts are due, and what Dagster runs."""

"""The lake in Dagster: its upkeep, and checks that nothing lacks or is damaged."""

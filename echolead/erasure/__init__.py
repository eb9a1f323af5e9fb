"""Erasing a person: who that is in the warehouse, and which rows are theirs (docs/reference/privacy.md)."""

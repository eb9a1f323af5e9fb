"""Working off erasures of people, in every store (docs/reference/privacy.md)."""

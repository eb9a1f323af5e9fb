"""Rules as data: what a tenant writes in YAML, checked with line and column, and compiled to rows for the warehouse."""

"""Deliveries as assets: the ledger in the operational database, and whether anything in it is stuck."""

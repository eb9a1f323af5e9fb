"""Deals of CRMs: what their records say, in one shape, appended to `raw.deal_records` (docs/reference/deals.md)."""

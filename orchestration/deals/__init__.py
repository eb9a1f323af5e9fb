"""Deals of CRMs: the pulls, which destinations are due, and what Dagster runs."""

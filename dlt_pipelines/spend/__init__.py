"""Ad spend: what campaigns cost by day, from platforms' APIs and files, appended to `raw.ad_spend` (docs/reference/spend.md)."""

"""Ad spend: what campaigns cost by day, from platforms and files, to `raw.ad_spend` (docs/reference/spend.md)."""

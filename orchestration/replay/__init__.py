"""Computing again: days of a tenant as partitions."""

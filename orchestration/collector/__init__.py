"""What the loader writes: the raw tables of events, and whether they are complete and fresh."""

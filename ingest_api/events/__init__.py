"""From a request's bytes to the events that are stored."""

"""Remote write: what other servers and agents send."""

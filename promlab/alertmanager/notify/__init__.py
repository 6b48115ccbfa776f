"""From a group of alerts to what a receiver sends: templates, deduplication, retries."""

"""The Alertmanager's process: flags, HTTP API, page, metrics, reload."""

"""The server: its processes, the HTTP API, pages, and metrics about itself."""

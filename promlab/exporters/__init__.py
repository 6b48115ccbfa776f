"""Exporters: programs that turn somebody else's numbers into metrics for a scrape.

`families` is the shape that every exporter yields and its text, `serving` the HTTP server
around it. Each exporter is a folder: `node` exports the machine it runs on.
"""

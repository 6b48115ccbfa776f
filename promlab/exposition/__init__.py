"""What targets expose: the text format and OpenMetrics, read into columns.

`formats` knows the content types, `body_parser.BodyParser` reads the bodies of one target
scrape after scrape, `layout` holds what stays the same between them. Bodies are judged as
Prometheus 3.5 judges them; docs/reference/exposition.md lists the few differences.
"""

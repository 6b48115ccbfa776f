"""`promlab promql`: formatting and editing of expressions, without a server."""

COMMANDS = {
    "format": "print an expression in its pretty form",
    "label-matchers": "set or delete a label matcher in all selectors of an expression",
}

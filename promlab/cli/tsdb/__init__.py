"""`promlab tsdb`: what `promtool tsdb` is, and importing, verifying."""

COMMANDS = {
    "list": "list the blocks of a data directory",
    "analyze": "analyze churn and cardinality of a block",
    "dump": "print stored samples",
    "dump-openmetrics": "print stored samples as OpenMetrics text",
    "create-blocks-from": "make blocks from OpenMetrics text, or from rules",
    "import": "import OpenMetrics text, CSV, a Prometheus's data directory, or by remote read",
    "verify": "check all blocks, page by page",
}

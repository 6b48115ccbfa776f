"""`promlab tsdb create-blocks-from`: blocks made from something else."""

COMMANDS = {
    "openmetrics": "make blocks from OpenMetrics text with timestamps",
    "rules": "make blocks of what recording rules would have recorded",
}

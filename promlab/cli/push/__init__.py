"""`promlab push`: send to a server, once."""

COMMANDS = {
    "metrics": "push metrics to a server by remote write, for tests",
}

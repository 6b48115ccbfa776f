"""`promlab check`: what `promtool check` is, one module a thing to check."""

COMMANDS = {
    "config": "check configuration files, and the rule files that they name",
    "web-config": "check files for --web.config.file",
    "service-discovery": "show what the discovery of a job finds",
    "rules": "check rule files",
    "metrics": "read metrics from standard input and say what is wrong with them",
    "healthy": "check that a server is healthy",
    "ready": "check that a server is ready",
    "schema": "print the JSON schema of a configuration file, for editors",
}

"""`promlab test`: tests that users write for their rules and queries."""

COMMANDS = {
    "rules": "run unit tests of recording and alerting rules",
    "promql": "run scripts of queries and expected answers, as promqltest writes them",
}

"""`promlab test`: tests that users write for their queries."""

COMMANDS = {
    "promql": "run scripts of queries and expected answers, as promqltest writes them",
}

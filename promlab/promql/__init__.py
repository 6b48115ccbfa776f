"""PromQL: grammar, types, functions, evaluation over columns."""

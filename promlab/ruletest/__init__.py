"""Unit tests of rules, as promtool runs them: `promlab test rules`."""

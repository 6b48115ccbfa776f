"""Reading the configuration with everything that it names: what is not valid is refused whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from promlab.config import Config, load_text
from promlab.config.config import matching_files
from promlab.config.document import read_text
from promlab.config.support import check_agent
from promlab.server.lab_files import pattern
from promlab.server.rule_check import Source, check_rules
from promlab.server.settings import Settings


class Checked(NamedTuple):
    """A configuration, and the text that it was read from."""

    config: Config
    text: str


def load_checked(settings: Settings, check: Callable[[Source], None] = check_rules) -> Checked:
    """The configuration that a server runs on.

    Raises ConfigError if its file is not valid, or if `check` finds a rule file that is not.
    """
    path = settings.config_file
    text = read_text(path)
    config = load_settled(text, settings)
    if settings.agent:
        check_agent(load_text(text, path, supported_only=False), path)
    if any(matching_files(each) for each in config.rule_files):
        check(Source.of(text, settings))
    return Checked(config, text)


def load_settled(text: str, settings: Settings) -> Config:
    """The configuration in a text, read as this server reads it. Raises ConfigError."""
    return settled(Source.of(text, settings))


def settled(source: Source) -> Config:
    """The same of a text that is on its way with what it takes to read it."""
    return load_text(
        source.text,
        source.path,
        environment=os.environ if source.expand_env else None,
        more_jobs=[pattern(source.data_path, "targets")],
        more_rules=[pattern(source.data_path, "rules")],
    )

"""Reading the configuration with everything that it names: what is not valid is refused whole.

Rule files are held against PromQL and templates in a process of its own
(`python -m promlab.server.checked_config`), so that neither supervisor nor writer load what
that takes, and no scrape waits for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NamedTuple

import msgspec

from promlab import lifeline
from promlab.config import Config, load_text
from promlab.config.config import matching_files
from promlab.config.document import read_text
from promlab.config.support import check_agent
from promlab.errors import ConfigError, ServerError
from promlab.server.lab_files import pattern
from promlab.server.settings import Settings

_TIMEOUT_S = 120.0


class Checked(NamedTuple):
    """A configuration, and the text that it was read from."""

    config: Config
    text: str


class _Source(msgspec.Struct):
    path: str
    text: str
    features: list[str]
    expand_env: bool
    data_path: str


class _Problem(msgspec.Struct):
    message: str
    path: str
    line: int
    column: int
    field: str


def load_checked(settings: Settings) -> Checked:
    """The configuration that a server runs on.

    Raises ConfigError if its file, or a rule file that it names, is not valid.
    """
    path = settings.config_file
    text = read_text(path)
    config = load_settled(text, settings)
    if settings.agent:
        check_agent(load_text(text, path, supported_only=False), path)
    if any(matching_files(each) for each in config.rule_files):
        _check_rules(_source(text, settings))
    return Checked(config, text)


def load_settled(text: str, settings: Settings) -> Config:
    """The configuration in a text, read as this server reads it. Raises ConfigError."""
    return _settled(_source(text, settings))


def _source(text: str, settings: Settings) -> _Source:
    return _Source(
        settings.config_file, text, settings.features, settings.expand_env, settings.data_path
    )


def _settled(source: _Source) -> Config:
    return load_text(
        source.text,
        source.path,
        environment=os.environ if source.expand_env else None,
        more_jobs=[pattern(source.data_path, "targets")],
        more_rules=[pattern(source.data_path, "rules")],
    )


def _check_rules(source: _Source) -> None:
    command = [sys.executable, "-m", "promlab.server.checked_config"]
    process = lifeline.spawn(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        answer, _ = process.communicate(msgspec.json.encode(source), _TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise ConfigError("checking the rule files takes too long", path=source.path) from None
    finally:
        process.kill()
        process.wait()
        lifeline.release(process)
    if process.returncode:
        raise ServerError(f"checking the rule files failed: exit code {process.returncode}")
    problem = msgspec.json.decode(answer, type=_Problem | None)
    if problem is not None:
        raise ConfigError(
            problem.message,
            path=problem.path,
            line=problem.line,
            column=problem.column,
            field=problem.field,
        )


def _problem(source: _Source) -> _Problem | None:
    from promlab.rules.files import rule_groups

    try:
        config = _settled(source)
        for _ in rule_groups(config, frozenset(source.features)):
            pass
    except ConfigError as error:
        return _Problem(error.message, error.path, error.line, error.column, error.field)
    return None


if __name__ == "__main__":
    lifeline.watch()
    found = _problem(msgspec.json.decode(sys.stdin.buffer.read(), type=_Source))
    sys.stdout.buffer.write(msgspec.json.encode(found))

"""Holding rule files against PromQL and templates, in a process of its own.

`python -m promlab.server.rule_check`: neither supervisor nor writer load what that takes, and no
scrape waits for it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from promlab import lifeline
from promlab.errors import ConfigError, ServerError
from promlab.server.settings import Settings

_TIMEOUT_S = 120.0
_NAMED = b"rule_files"


class Source(msgspec.Struct):
    """A configuration that names rule files, and how it is read."""

    path: str
    text: str
    features: list[str]
    expand_env: bool
    data_path: str

    @staticmethod
    def of(text: str, settings: Settings) -> Source:
        """The text as this server reads it."""
        return Source(
            settings.config_file, text, settings.features, settings.expand_env, settings.data_path
        )


class _Problem(msgspec.Struct):
    message: str
    path: str
    line: int
    column: int
    field: str


class RuleCheck:
    """One check. The process may be begun before it is known what to check, or whether."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def begin_for(self, path: str) -> None:
        """Begin, if the configuration in this file seems to name rule files."""
        try:
            seems_to = _NAMED in Path(path).read_bytes()
        except OSError:
            return  # whoever reads it for good tells what is wrong
        if seems_to:
            self._begin()

    def check(self, source: Source) -> None:
        """Raises ConfigError if a rule file is not valid."""
        process = self._process or self._begin()
        try:
            answer, _ = process.communicate(msgspec.json.encode(source), _TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise ConfigError("checking the rule files takes too long", path=source.path) from None
        finally:
            self.end()
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

    def end(self) -> None:
        """Have no process any more."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()
            lifeline.release(process)

    def _begin(self) -> subprocess.Popen[bytes]:
        command = lifeline.python("promlab.server.rule_check")
        self._process = lifeline.spawn(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._process


def check_rules(source: Source) -> None:
    """Check from the beginning. Raises ConfigError if a rule file is not valid."""
    RuleCheck().check(source)


def _main() -> None:
    from promlab.rules.files import rule_groups
    from promlab.server.checked_config import settled

    found, source = None, msgspec.json.decode(sys.stdin.buffer.read(), type=Source)
    try:
        for _ in rule_groups(settled(source), frozenset(source.features)):
            pass
    except ConfigError as error:
        found = _Problem(error.message, error.path, error.line, error.column, error.field)
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    lifeline.watch()
    _main()

"""Changing the configuration of a lab that runs: checked, written, reloaded, and waited for."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from promlab.errors import ConfigError, ServerError
from promlab.lab import setup

if TYPE_CHECKING:
    from promlab.lab.session import Lab

_WAIT_S = 30.0


def apply(lab: Lab, config: setup.Config) -> None:
    """Write a configuration and let the server read it.

    Raises ConfigError if it is not valid: then the server keeps what it has; and for a lab that
    runs on a file of the user's own, which is not ours to write.
    """
    if lab.config_is_yours:
        raise ConfigError(
            "this lab runs on a file of your own: change that file, then call .reload()",
            path=str(lab.config_path),
        )
    source = setup.read_config(config)
    text = source.path.read_text(encoding="utf-8") if source.path else source.text
    proposed = lab.config_path.with_name("proposed.yml")
    proposed.write_text(setup.with_exposed(text, proposed.parent), encoding="utf-8")
    try:
        setup.check_config(proposed)
    except ConfigError as error:
        raise ConfigError(
            error.message, line=error.line, column=error.column, field=error.field
        ) from None
    proposed.replace(lab.config_path)
    reload(lab)


def reload(lab: Lab) -> None:
    """Let the server read its configuration again, and wait until it has.

    Raises ConfigError with the server's own words if it does not take it.
    """
    before = _last_reload(lab)
    lab.signal_server(signal.SIGHUP)
    end = time.monotonic() + _WAIT_S
    while time.monotonic() < end:
        now = _last_reload(lab)
        if now[0] != before[0]:
            return
        if not now[1]:
            raise ConfigError(_complaint(lab), path=str(lab.config_path))
        time.sleep(0.05)
    raise ServerError(f"the server at {lab.url} did not read its configuration again")


def _last_reload(lab: Lab) -> tuple[str, bool]:
    info = lab.ready().client.status("runtimeinfo")
    return str(info["lastConfigTime"]), bool(info["reloadConfigSuccess"])


def _complaint(lab: Lab) -> str:
    for line in reversed(lab.server_lines(50)):
        if str(Path(lab.config_path).name) in line and "error" in line.lower():
            return line
    return "the server did not take the configuration: see .logs()"

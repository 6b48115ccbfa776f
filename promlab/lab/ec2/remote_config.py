"""A configuration for the Prometheus on an instance: checked here, written and reloaded there."""

from __future__ import annotations

import time

from promlab.config import load_text
from promlab.errors import ConfigError, ServerError
from promlab.lab.ec2.cloud import Cloud

_FILE = '"${ROOT:-}/etc/prometheus/prometheus.yml"'
_END = "END_OF_CONFIGURATION"
_WAIT_S = 15.0


def apply(cloud: Cloud, instance: str, text: str) -> str:
    """Give the server on an instance this configuration; returns what was done.

    Raises ConfigError if it is not valid, ServerError if the server there does not take it.
    """
    load_text(text, "", supported_only=False)
    if _END in text:
        raise ConfigError(f"the configuration may not contain {_END}")
    before = time.time()
    session = cloud.shell(instance)
    script = (
        f"sudo tee {_FILE} >/dev/null <<'{_END}'\n{text.rstrip()}\n{_END}\n"
        "sudo service prometheus reload\n"
    )
    said = "".join(session.run(script)).strip()
    if session.code:
        raise ServerError(f"the configuration was not applied on {instance}: {said}")
    _wait(cloud, instance, before)
    return f"applied: the server on {instance} runs on this configuration"


def _wait(cloud: Cloud, instance: str, before: float) -> None:
    """Until the server says when it last read its configuration, and that it could."""
    ask = (
        "curl --silent localhost:9090/metrics | "
        "grep '^prometheus_config_last_reload_success' | sed 's/.* //'"
    )
    end = time.monotonic() + _WAIT_S
    while time.monotonic() < end:
        numbers = "".join(cloud.shell(instance).run(ask)).split()
        if len(numbers) == 2:
            values = sorted(float(number) for number in numbers)  # a flag, and a time
            if values[0] == 0:
                raise ServerError(f"the server on {instance} refused the configuration")
            if values[1] >= int(before):
                return
        time.sleep(0.2)
    raise ServerError(f"the server on {instance} did not read the configuration again")

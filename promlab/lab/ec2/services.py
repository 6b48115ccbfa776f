"""Services of a simulated instance: what packages bring, and unit files that somebody wrote.

A service is a command in the instance's name. Addresses that mean "this machine" in it become the
instance's inner address. Only `ExecStart`, `WorkingDirectory` and `Environment` of a unit file are
read; the rest of systemd is not here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from promlab import lifeline
from promlab.lab.ec2.places import PORTS, Place

_ADDRESS = re.compile(r"\b(0\.0\.0\.0|127\.0\.0\.1|localhost)\b(?::(\d+))?")
_PORT = re.compile(r"(--port[= ])(\d+)")


class Unit(NamedTuple):
    """How a service is started."""

    name: str
    description: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = {}


PACKAGES: dict[str, tuple[str, ...]] = {
    "prometheus": ("prometheus",),
    "prometheus-node-exporter": ("prometheus-node-exporter",),
    "prometheus-alertmanager": ("prometheus-alertmanager",),
}
# Installed wherever the lab runs: nothing is fetched for them.
PRESENT = frozenset(
    {"git", "curl", "python3", "python3-pip", "python3-venv", "openssh-server", "ca-certificates"}
)

FIRST_CONFIG = """\
global:
  scrape_interval: 15s

scrape_configs:
  - job_name: prometheus
    static_configs:
      - targets: ["localhost:9090"]
"""
FIRST_ROUTES = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
_FILES = {
    "prometheus": {
        "etc/prometheus/prometheus.yml": FIRST_CONFIG,
        "etc/default/prometheus": 'ARGS="--web.enable-lifecycle"\n',
    },
    "prometheus-node-exporter": {"etc/default/prometheus-node-exporter": 'ARGS=""\n'},
    "prometheus-alertmanager": {
        "etc/prometheus/alertmanager.yml": FIRST_ROUTES,
        "etc/default/prometheus-alertmanager": 'ARGS=""\n',
    },
}


def install(package: str, root: Path) -> None:
    """Put a package's files there, leaving what exists. Raises KeyError for one that is unknown."""
    if package in PRESENT:
        return
    PACKAGES[package]
    for name, text in _FILES[package].items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(text)


def unit(name: str, root: Path, inner: Place) -> Unit | None:
    """The service of this name, if there is one on the instance."""
    if written(name, root).is_file():
        return _written(name, written(name, root), root, inner)
    if name not in PACKAGES or not (root / "etc/default" / name).exists():
        return None
    return Unit(name, _DESCRIPTIONS[name], _command(name, root, inner), root)


def written(name: str, root: Path) -> Path:
    """Where somebody's own unit file is, or would be."""
    return root / "etc/systemd/system" / f"{name}.service"


_DESCRIPTIONS = {
    "prometheus": "Monitoring system and time series database",
    "prometheus-node-exporter": "Prometheus exporter for machine metrics",
    "prometheus-alertmanager": "Alertmanager for prometheus",
}


def _command(name: str, root: Path, inner: Place) -> tuple[str, ...]:
    found = re.search(r'^ARGS="?(.*?)"?$', (root / "etc/default" / name).read_text(), re.MULTILINE)
    extra = shlex.split(found[1]) if found else []

    def listen(port: int) -> str:
        host, at = inner.at(port)
        return f"--web.listen-address={host}:{at}"

    if name == "prometheus":
        config = f"--config.file={root}/etc/prometheus/prometheus.yml"
        data = f"--storage.tsdb.path={root}/var/lib/prometheus/metrics2"
        return tuple(lifeline.python("promlab", "serve", config, data, listen(9090), *extra))
    if name == "prometheus-node-exporter":
        return tuple(lifeline.python("promlab", "exporter", "node", listen(9100), *extra))
    config = f"--config.file={root}/etc/prometheus/alertmanager.yml"
    data = f"--storage.path={root}/var/lib/prometheus/alertmanager"
    return tuple(lifeline.python("promlab", "alertmanager", config, data, listen(9093), *extra))


def _written(name: str, path: Path, root: Path, inner: Place) -> Unit | None:
    fields: dict[str, str] = {}
    environment: dict[str, str] = {}
    for line in path.read_text(errors="replace").splitlines():
        key, found, value = line.strip().partition("=")
        if not found or key.startswith(("#", ";")):
            continue
        if key == "Environment":
            variable, _, text = value.strip("\"'").partition("=")
            environment[variable] = moved(text, inner)
        else:
            fields[key] = value.strip()
    if not fields.get("ExecStart"):
        return None
    folder = Path(fields.get("WorkingDirectory") or root)
    command = tuple(shlex.split(moved(fields["ExecStart"], inner)))
    return Unit(name, fields.get("Description", name), command, folder, environment)


def moved(text: str, inner: Place) -> str:
    """The text with this machine's addresses and ports become those of the instance."""

    def address(found: re.Match[str]) -> str:
        if found[2] is None:
            return inner.host
        host, port = inner.at(int(found[2]))
        return f"{host}:{port}"

    def port(found: re.Match[str]) -> str:
        number = int(found[2])
        return f"{found[1]}{inner.at(number)[1] if number in PORTS else number}"

    return _PORT.sub(port, _ADDRESS.sub(address, text))

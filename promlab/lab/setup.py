"""What a lab needs before its server starts: a port, a configuration, a data folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from promlab.errors import AddressInUse, ConfigError

Config = str | os.PathLike[str] | Mapping[str, Any] | None

LOOPBACK = "127.0.0.1"
_PREFIX = "promlab-lab-"

DEFAULT_CONFIG = """\
# The configuration of promlab.start(): the server watches itself and this machine.
global:
  scrape_interval: 5s
  evaluation_interval: 5s

scrape_configs:
  - job_name: prometheus
    static_configs:
      - targets: ["{server}"]
  - job_name: node
    static_configs:
      - targets: ["{node}"]
"""

# What promlab.expose() serves, and gateways that jobs push to: their metrics keep the labels of
# the jobs. Job, interval and timeout are labels of the targets.
EXPOSED_JOB = """\
scrape_configs:
  - job_name: exposed
    scrape_native_histograms: true
    file_sd_configs:
      - files: [{targets}]
        refresh_interval: 5s
  - job_name: pushgateway
    honor_labels: true
    scrape_native_histograms: true
    file_sd_configs:
      - files: [{gateways}]
        refresh_interval: 5s
"""


class ConfigSource(NamedTuple):
    """A configuration as it was given: a file that exists, or text of our own."""

    path: Path | None
    text: str

    @property
    def fingerprint(self) -> str:
        """Equal for equal configurations."""
        place = str(self.path.resolve()) if self.path else ""
        return hashlib.sha256(f"{place}\n{self.text}".encode()).hexdigest()


def read_config(config: Config) -> ConfigSource:
    """The text of a configuration: None, a path, YAML text, or a dict. Raises ConfigError."""
    if config is None:
        return ConfigSource(None, "")
    if isinstance(config, Mapping):
        import yaml

        try:
            return ConfigSource(None, yaml.safe_dump(dict(config), sort_keys=False))
        except yaml.YAMLError as error:
            raise ConfigError(f"the dict cannot be written as YAML: {error}") from None
    if isinstance(config, str) and ("\n" in config or ": " in config or config.endswith(":")):
        return ConfigSource(None, config)
    path = Path(config).expanduser()
    try:
        return ConfigSource(path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"the configuration cannot be read: {reason}", path=str(path)) from None


def check_config(path: Path) -> None:
    """Load a configuration as the server will. Raises ConfigError with line and field."""
    from promlab.config import load

    load(path)


def with_exposed(text: str, folder: Path) -> str:
    """A configuration's text that scrapes what `promlab.expose()` writes into the folder too."""
    import yaml

    job = folder / "exposed.yml"
    targets, gateways = (
        json.dumps(str(folder / "targets" / pattern)) for pattern in ("*.json", "*.gateway.yml")
    )
    job.write_text(EXPOSED_JOB.format(targets=targets, gateways=gateways), encoding="utf-8")
    try:
        document = yaml.safe_load(text) or {}
    except yaml.YAMLError:
        return text  # reading it as a configuration will tell where it is broken
    if not isinstance(document, dict):
        return text
    shown = document.get("scrape_config_files")
    if isinstance(shown, list) and any(_is_ours(path, job) for path in shown):
        # What the server shows of its configuration has it already, and may come back changed.
        document["scrape_config_files"] = [path for path in shown if not _is_ours(path, job)]
    more = f"\nscrape_config_files:\n  - {json.dumps(str(job))}\n"
    is_block = not text.lstrip().startswith("{") and "scrape_config_files" not in document
    if is_block and "\n..." not in text:
        return text.rstrip() + "\n" + more  # the user's lines keep their numbers
    files = list(document.get("scrape_config_files") or [])
    document["scrape_config_files"] = [*files, str(job)]
    return yaml.safe_dump(document, sort_keys=False)


def _is_ours(path: object, job: Path) -> bool:
    """Whether an entry was added by a lab: by this one, or by one whose text was kept."""
    found = Path(str(path))
    return found == job or (found.name == job.name and found.parent.name.startswith(_PREFIX))


def choose_port(port: int) -> int:
    """`port` if it is free, or a free one for 0. Raises AddressInUse."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            raise AddressInUse(f"{LOOPBACK}:{port}") from None
        found: int = probe.getsockname()[1]
        return found


def temporary_folder() -> Path:
    """A folder for this process; those of processes that are gone are removed."""
    _sweep()
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))


def _sweep() -> None:
    """Remove what a killed kernel left behind."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        owner = path.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdecimal() and not runs(int(owner)):
            with contextlib.suppress(OSError):
                if path.stat().st_uid == os.getuid() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)


def runs(pid: int) -> bool:
    """Whether a process of this id runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def keep_folder(path: Path) -> None:
    """Make `path` a folder; raises ConfigError where it cannot be one."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"no data folder can be made: {error.strerror}", path=str(path)) from None

"""Files that a configuration names: certificates, credentials, lists of targets."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from promlab.config import Config
from promlab.config.config import matching_files
from promlab.config.section import Section
from promlab.discovery.file import read_groups
from promlab.errors import ConfigError

# Other fields with paths, such as those of logs, name what a server makes.
_NEEDED = ("ca_file", "cert_file", "key_file", "credentials_file", "bearer_token_file")


def check_named_files(config: Config, path: str) -> None:
    """Raise ConfigError for the first file that is missing or, for targets, not valid."""
    for section in _sections(config):
        for field in _NEEDED:
            named = getattr(section, field, "")
            if named and not Path(named).exists():
                raise ConfigError(f"there is no file {named}", path=path, field=field)
    for job in config.jobs:
        for discovery in job.discovery.file_sd_configs:
            for pattern in discovery.files:
                files = matching_files(pattern)
                if not files:
                    print(f'  WARNING: no file of targets matches "{pattern}" (job {job.job_name})')
                for file in files:
                    read_groups(file)


def _sections(value: Any) -> Iterator[Section]:
    """A section and all that are in it."""
    if isinstance(value, Section):
        yield value
        for field in dataclasses.fields(value):
            yield from _sections(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _sections(item)

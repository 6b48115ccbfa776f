"""Reloads the configuration whenever one of its files changes, rules and imported jobs too."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from promlab.config import Config
from promlab.config.config import matching_files
from promlab.errors import PromlabError

log = logging.getLogger(__name__)


async def watch(
    config_file: str,
    config: Callable[[], Config],
    reload: Callable[[], Coroutine[Any, Any, None]],
    every_s: float,
) -> None:
    """Look for ever; `config` gives the one in use, whose files count."""
    before = await asyncio.to_thread(_digests, config_file, config())
    while True:
        await asyncio.sleep(every_s)
        now = await asyncio.to_thread(_digests, config_file, config())
        if now != before:
            before = now
            log.info("Files of the configuration have changed")
            with contextlib.suppress(PromlabError):
                await reload()


def _digests(config_file: str, config: Config) -> dict[str, bytes]:
    """A digest of each file of a configuration."""
    patterns = [*config.rule_files, *config.scrape_config_files]
    files = [file for pattern in patterns for file in matching_files(pattern)]
    return {file: _digest(Path(file)) for file in (config_file, *files)}


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b""

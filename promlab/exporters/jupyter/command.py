"""`promlab exporter jupyter`: flags, and what is up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from promlab.config.document import parse, read_text
from promlab.config.http_client import HttpClientConfig
from promlab.errors import ConfigError, ScrapeError
from promlab.exporters.families import Family, gauge
from promlab.exporters.jupyter import hub, server
from promlab.exporters.jupyter.api import Api, token_of
from promlab.exporters.own_process import OwnProcess
from promlab.exporters.served import Flags, Served

logger = logging.getLogger(__name__)

PORT = 9181
FLAGS: Flags = {
    "jupyter.url": ("http://127.0.0.1:8888", "the server; empty for none"),
    "jupyter.token-file": ("", "file with its token; without it $JUPYTER_TOKEN"),
    "jupyter.processes": (True, "CPU and memory of kernels on this machine"),
    "hub.url": ("", "API of a JupyterHub, for instance http://127.0.0.1:8081/hub/api"),
    "hub.token-file": ("", "file with its token; without it $JUPYTERHUB_API_TOKEN"),
    "http.config.file": ("", "how to connect: TLS, proxies, headers, as in a scrape job"),
    "timeout": (5.0, "seconds that an answer may take (5)"),
}


def make(flags: Mapping[str, Any]) -> Served:
    """The exporter by its flags. Raises ConfigError."""
    for name in ("jupyter.url", "hub.url"):
        url = flags[name]
        if url and urlsplit(url).scheme not in ("http", "https"):
            raise ConfigError(f"{url!r} is no URL: write http://host:port", field=f"--{name}")
    if not flags["jupyter.url"] and not flags["hub.url"]:
        raise ConfigError("there is neither --jupyter.url nor --hub.url")
    path = flags["http.config.file"]
    config = HttpClientConfig.read(parse(read_text(path), path)) if path else HttpClientConfig()
    exporter = JupyterExporter(flags, config)
    exporter.tokens()
    return Served("Jupyter exporter", lambda _: exporter.collect())


class JupyterExporter:
    """Asks a server and a hub. One that is down never takes the other's metrics with it."""

    def __init__(self, flags: Mapping[str, Any], config: HttpClientConfig) -> None:
        self._flags, self._config, self._own = flags, config, OwnProcess()

    def tokens(self) -> tuple[str, str]:
        """Token of the server and of the hub; files are read anew at each scrape."""
        return (
            token_of(self._flags["jupyter.token-file"], "JUPYTER_TOKEN"),
            token_of(self._flags["hub.token-file"], "JUPYTERHUB_API_TOKEN"),
        )

    def collect(self) -> list[Family]:
        """Families of all that is up."""
        token, hub_token = self.tokens()
        found = list(self._own.families())
        processes = self._flags["jupyter.processes"]
        for name, url, secret, ask in (
            (
                "jupyter",
                self._flags["jupyter.url"],
                token,
                lambda api: server.families(api, processes=processes),
            ),
            ("jupyterhub", self._flags["hub.url"], hub_token, hub.families),
        ):
            if url:
                found += self._asked(name, url, secret, ask)
        return found

    def _asked(
        self, name: str, url: str, token: str, ask: Callable[[Api], list[Family]]
    ) -> list[Family]:
        up = gauge(f"{name}_up", "Whether it answered.")
        found: list[Family] = []
        try:
            with Api(url, token, self._config, self._flags["timeout"]) as api:
                found = ask(api)
            up.add(1)
        except ScrapeError as error:
            logger.error("%s: %s", name, error)
            up.add(0)
        return [up, *found]

"""Runs collectors for a scrape, times them, and says which of them failed."""

from __future__ import annotations

import logging
import platform
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence

from promlab import __version__
from promlab.errors import ConfigError, PromlabError
from promlab.exporters.families import Family, gauge, info
from promlab.exporters.node.collectors import NAMES, Collector, collector_class
from promlab.exporters.node.host import Host, NoData
from promlab.exporters.own_process import OwnProcess

logger = logging.getLogger(__name__)

_DURATION = "Seconds that a collector took."
_SUCCESS = "Whether a collector succeeded."
_GO_ARCH = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64"}


class BadScrape(PromlabError):
    """A scrape whose URL asks for what there is not."""


class NodeExporter:
    """The collectors that are switched on, for one host.

    Any number of threads may scrape; collectors run one scrape at a time, since some keep
    what they saw last.
    """

    def __init__(
        self, host: Host, enabled: Iterable[str] = NAMES, *, own_metrics: bool = True
    ) -> None:
        names = sorted(set(enabled))
        for name in names:
            if name not in NAMES:
                raise ConfigError(f"no collector {name!r}: there are {', '.join(NAMES)}")
        self._collectors: dict[str, Collector] = {
            name: collector_class(name)(host) for name in names
        }
        self._process = OwnProcess() if own_metrics else None
        self._lock = threading.Lock()
        self._told: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """Names of the collectors that are switched on."""
        return list(self._collectors)

    def collect(self, parameters: Mapping[str, Sequence[str]]) -> list[Family]:
        """The families that a URL's parameters ask for; raises BadScrape."""
        return self.families(self._asked(parameters))

    def families(self, names: Iterable[str] | None = None) -> list[Family]:
        """Families of some collectors, or of all, with those about the scrape itself."""
        found: list[Family] = []
        durations = gauge("node_scrape_collector_duration_seconds", _DURATION)
        successes = gauge("node_scrape_collector_success", _SUCCESS)
        with self._lock:
            for name in self._collectors if names is None else names:
                started = time.perf_counter()
                success = self._run(name, found)
                took = time.perf_counter() - started
                durations.add(took, {"collector": name})
                successes.add(1 if success else 0, {"collector": name})
            found += [durations, successes, _build_info(), *self._own()]
        return found

    def _run(self, name: str, found: list[Family]) -> bool:
        try:
            for family in self._collectors[name].collect():
                found.append(family)  # noqa: PERF402 (what came before a failure counts)
        except NoData as error:
            logger.debug("collector %s has nothing: %s", name, error)
            return False
        except (OSError, ValueError, LookupError, RuntimeError) as error:
            reason = f"{type(error).__name__}: {error}"
            if self._told.get(name) != reason:  # once, not at every scrape
                self._told[name] = reason
                logger.warning("collector %s failed: %s", name, reason)
            return False
        return True

    def _asked(self, parameters: Mapping[str, Sequence[str]]) -> list[str]:
        collect, exclude = parameters.get("collect[]"), parameters.get("exclude[]")
        if collect and exclude:
            raise BadScrape("collect[] and exclude[] can't be combined: use one of them")
        for name in [*(collect or ()), *(exclude or ())]:
            if name not in self._collectors:
                state = "disabled" if name in NAMES else "missing"
                raise BadScrape(f"{state} collector: {name}")
        if collect:
            return sorted(set(collect))
        return [name for name in self._collectors if name not in (exclude or ())]

    def _own(self) -> Iterable[Family]:
        return self._process.families() if self._process is not None else ()


def _build_info() -> Family:
    machine = platform.machine()
    labels = {
        "branch": "",
        "goarch": _GO_ARCH.get(machine, machine),
        "goos": sys.platform,
        "goversion": "",
        "revision": "",
        "tags": "",
        "version": __version__,
    }
    return info(
        "node_exporter_build_info", "Version of promlab, in node_exporter's labels.", labels
    )

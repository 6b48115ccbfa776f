"""Sending alerts: a queue and a sender for each Alertmanager.

    notifier = Notifier(make_client, clock, external_url)
    notifier.apply(config)                       # external labels, relabelling, timeouts
    notifier.update_targets(0, [{"__address__": "am:9093"}])
    notifier.send(rule.expr, alerts)             # never waits
    await notifier.stop()

One Alertmanager that is slow or gone holds up no other. A full queue loses its oldest alerts,
a batch that can't be sent is lost; both are counted. Alerts are sent again by their rule.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from urllib.parse import quote

from promlab.config.alerting import AlertmanagerConfig
from promlab.config.config import Config
from promlab.config.relabel import RelabelConfig
from promlab.config.relabelling import relabel
from promlab.model.labels import LabelTable, Symbols
from promlab.rules.alert import Alert
from promlab.rules.seams import Warn
from promlab.rules.sender import BATCH, HttpClient, Notification, Sender, SenderStats
from promlab.rules.status import rfc3339
from promlab.templating.texts import table_link

CAPACITY = 10_000
_IN_PATHS = "/$&+,:;=@~!*'()"
DRAIN_S = 30.0  # how long the end of a server may wait for Alertmanagers


MakeClient = Callable[[AlertmanagerConfig], HttpClient]


class _Set:
    """The Alertmanagers of one section of the configuration."""

    def __init__(self, config: AlertmanagerConfig, client: HttpClient) -> None:
        self.config, self.client = config, client
        self.senders: dict[str, Sender] = {}
        self.dropped: list[str] = []


class Notifier:
    """Sends alerts to all Alertmanagers; belongs to one event loop."""

    def __init__(
        self,
        make_client: MakeClient,
        external_url: str = "",
        *,
        warn: Warn = lambda line: None,
        capacity: int = CAPACITY,
        batch: int = BATCH,
        drain_on_stop: bool = True,
        drain_s: float = DRAIN_S,
    ) -> None:
        self._make_client, self._external_url = make_client, external_url.rstrip("/")
        self._warn, self.capacity, self._drain_on_stop = warn, capacity, drain_on_stop
        self._drain_s, self._batch = drain_s, batch
        self._external_labels: Mapping[str, str] = {}
        self._relabel: tuple[RelabelConfig, ...] = ()
        self._sets: list[_Set] = []
        self._targets: list[list[Mapping[str, str]]] = []
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def active_urls(self) -> list[str]:
        """Where alerts go."""
        return [url for each in self._sets for url in each.senders]

    @property
    def dropped_urls(self) -> list[str]:
        """Alertmanagers that were found and relabelled away."""
        return [url for each in self._sets for url in each.dropped]

    def stats(self) -> dict[str, SenderStats]:
        """Counters by URL."""
        return {url: s.stats for each in self._sets for url, s in each.senders.items()}

    def queued(self) -> dict[str, int]:
        """Lengths of the queues by URL."""
        return {url: len(s) for each in self._sets for url, s in each.senders.items()}

    def apply(self, config: Config) -> None:
        """Take over a configuration; targets of sections that stayed the same are kept.

        Raises ConfigError, with nothing changed, if TLS settings can't be used.
        """
        old, sets = list(self._sets), []
        for section in config.alerting.alertmanagers:
            same = next((each for each in old if each.config == section), None)
            if same is not None:
                old.remove(same)
            sets.append(same or _Set(section, self._make_client(section)))
        self._sets = sets
        self._external_labels = config.global_.external_labels
        self._relabel = config.alerting.alert_relabel_configs
        for each in old:
            self._close(each)

    def update_targets(self, section: int, targets: Sequence[Mapping[str, str]]) -> None:
        """What discovery found for `alerting.alertmanagers[section]`: labels of each target."""
        each = self._sets[section]
        found, each.dropped = alertmanager_urls(each.config, targets)
        for url in each.senders.keys() - set(found):
            self._later(each.senders.pop(url).stop())
        for url in found:
            if url not in each.senders:
                timeout_s = each.config.timeout_ms / 1000
                each.senders[url] = Sender(
                    url, each.client, timeout_s, self._warn, self.capacity, self._batch
                )

    def send(self, expr: str, alerts: Sequence[Alert]) -> None:
        """Queue alerts of a rule with this expression; returns at once."""
        link = self._external_url + table_link(expr)
        made = self._relabelled(
            [self._notification(alert, link) for alert in alerts], self._relabel
        )
        if not made:
            return
        for each in self._sets:
            own = self._relabelled(made, each.config.alert_relabel_configs)
            for sender in each.senders.values():
                sender.put(own)

    async def drained(self) -> None:
        """Return when all queues are empty."""
        await asyncio.gather(*(s.drained() for each in self._sets for s in each.senders.values()))

    async def stop(self) -> None:
        """End; first send what is queued, where that was asked for, for a while."""
        if self._drain_on_stop:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._drain_s):
                    await self.drained()
        for each in self._sets:
            self._close(each)
        self._sets = []
        await asyncio.gather(*self._closing)

    def _notification(self, alert: Alert, link: str) -> Notification:
        ends_ms = alert.resolved_ms or alert.valid_until_ms
        labels = {**self._external_labels, **alert.labels}
        return Notification(
            labels, alert.annotations, rfc3339(alert.fired_ms), rfc3339(ends_ms), link
        )

    def _relabelled(
        self, alerts: Sequence[Notification], rules: Sequence[RelabelConfig]
    ) -> list[Notification]:
        if not rules:
            return list(alerts)
        table = LabelTable.from_dicts([alert.labels for alert in alerts], Symbols())
        kept, rows = relabel(table, rules)
        pairs = zip(kept.rows(), rows.tolist(), strict=True)
        return [alerts[row]._replace(labels=labels) for labels, row in pairs if labels]

    def _close(self, each: _Set) -> None:
        async def close() -> None:
            for sender in each.senders.values():
                await sender.stop()
            await each.client.close()

        self._later(close())

    def _later(self, ending: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(ending)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def alertmanager_urls(
    config: AlertmanagerConfig, targets: Sequence[Mapping[str, str]]
) -> tuple[list[str], list[str]]:
    """URLs that alerts are posted to, and those that relabelling drops; each once."""
    path = "/" + "/".join(part for part in (config.path_prefix.strip("/"), "api/v2/alerts") if part)
    base = {"__scheme__": config.scheme, "__alerts_path__": path}
    rows = [{**base, **target} for target in targets]
    table = LabelTable.from_dicts(rows, Symbols())
    kept, which = relabel(table, config.relabel_configs)
    urls = dict.fromkeys(url for row in kept.rows() if (url := _url(row)))
    gone = set(range(len(rows))) - set(which.tolist())
    return list(urls), [_url(rows[i]) for i in sorted(gone)]


def _url(labels: Mapping[str, str]) -> str:
    address = labels.get("__address__", "")
    scheme = labels.get("__scheme__", "http")
    # What discovery says is not ours: no address of two, no request in a path.
    if not address or "/" in address or any(char <= " " for char in address):
        return ""
    path = quote(labels.get("__alerts_path__", "").lstrip("/"), safe=_IN_PATHS)
    return f"{scheme}://{address}/{path}"

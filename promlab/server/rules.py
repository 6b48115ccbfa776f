"""Rules in the process that answers: evaluated on its engine, stored by the writer.

Groups are evaluated in threads of their own: neither a request nor a query waits for a rule,
nor a rule for them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from promlab import __version__
from promlab.config import Config
from promlab.config.alerting import AlertmanagerConfig
from promlab.discovery import Discovery, DiscoveryStats, Providers, TargetGroup
from promlab.discovery.providers import Provider
from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable
from promlab.model.samples import Times, Values
from promlab.model.storage import AppendOutcome, Querier, SampleExtras
from promlab.promql.result import QueryStats
from promlab.rules.alert import Alert
from promlab.rules.alerting import AlertingRule
from promlab.rules.group import GroupOptions
from promlab.rules.manager import RuleManager
from promlab.rules.notifier import Notifier
from promlab.rules.restore import RestoreOptions
from promlab.rules.seams import Evaluator, SystemClock
from promlab.server.alert_log import StoredHistory
from promlab.server.channel import ChannelClient
from promlab.server.discovery_metrics import Row, discovery_rows
from promlab.server.queries import THREADS
from promlab.server.query_log import QueryLog
from promlab.server.query_statistics import query_stats
from promlab.server.sample_frames import sample_frame
from promlab.server.settings import Settings
from promlab.server.tracing import Tracing
from promlab.transport.cloud_auth import authenticator
from promlab.transport.session import HttpClient
from promlab.web.log import facts

log = logging.getLogger(__name__)

# Less than what the supervisor waits before it kills.
_DRAIN_S = 20.0


class ChannelSink:
    """Hands samples to the writer; returns when they are committed."""

    def __init__(self, writer: ChannelClient) -> None:
        self._writer = writer

    async def append(
        self,
        labels: LabelTable,
        t_ms: Times,
        values: Values,
        histograms: HistogramColumn | None = None,
    ) -> AppendOutcome:
        """One sample for each row. Raises ServerError, NotReady."""
        frame = sample_frame(labels, t_ms, values, SampleExtras(histograms, None))
        return AppendOutcome(**await self._writer.ask("record", *frame))


class Rules:
    """Rule groups, and the queues to Alertmanagers, of one reader."""

    def __init__(
        self,
        settings: Settings,
        writer: ChannelClient,
        querier: Querier,
        engine: Evaluator,
        tracing: Tracing | None = None,
    ) -> None:
        self._settings, self._writer = settings, writer
        self._tracing = tracing or Tracing()
        threads = max(THREADS, settings.max_concurrent_evals)
        self.query_log = QueryLog()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="rules")
        self.notifier = Notifier(
            _client,
            settings.external_url,
            warn=_warn,
            capacity=settings.notification_capacity,
            batch=settings.notification_batch,
            drain_on_stop=settings.drain_notifications,
            drain_s=_DRAIN_S,
        )
        options = GroupOptions(
            engine,
            querier,
            ChannelSink(writer),
            SystemClock(),
            notify=self._notify,
            warn=_warn,
            executor=self._pool,
            concurrent="concurrent-rule-eval" in settings.features,
            queried=self._queried,
            resend_delay_ms=settings.resend_delay_ms,
            restore=RestoreOptions(settings.outage_tolerance_ms, settings.grace_period_ms),
        )
        features = frozenset(settings.features)
        history = StoredHistory(settings.data_path)
        self.manager = RuleManager(
            options, settings.external_url, features=features, history=history
        )
        self._alertmanagers: tuple[AlertmanagerConfig, ...] = ()
        self._discovered: dict[str, int] = {}
        self._providers = Providers(DiscoveryStats(), __version__)
        self._discoveries: list[Discovery] = []

    async def stop(self) -> None:
        """Finish what is being evaluated, and send what is queued."""
        await self.manager.stop()
        for discovery in self._discoveries:
            await discovery.stop()
        await self._providers.sweep()
        await self.notifier.stop()
        self._pool.shutdown(wait=False)

    async def apply(self, config: Config) -> None:
        """Evaluate and notify as this configuration says from now on. Raises PromlabError."""
        self.notifier.apply(config)
        await self._discover(config)
        await self.manager.apply(config)
        self.query_log.use(config.global_.query_log_file)

    def discovery_rows(self) -> list[Row]:
        """What the discovery of Alertmanagers counts."""
        return discovery_rows(self._providers.stats, "notify", self._discovered)

    async def _discover(self, config: Config) -> None:
        """Look for the Alertmanagers of each section, unless they are the same as before."""
        if config.alerting.alertmanagers == self._alertmanagers:
            return
        sections = config.alerting.alertmanagers
        found = [
            self._providers.of(section.discovery, f"config-{i}")
            for i, section in enumerate(sections)
        ]
        before, self._discoveries = self._discoveries, []
        self._alertmanagers = sections
        for discovery in before:
            await discovery.stop()
        self._discovered = {}
        for i, providers in enumerate(found):
            self._discoveries.append(self._discovery(i, sections, providers))
            self._discoveries[i].start()
        await self._providers.sweep()

    def _discovery(
        self, i: int, sections: tuple[AlertmanagerConfig, ...], providers: list[Provider]
    ) -> Discovery:
        def update(groups: Sequence[TargetGroup]) -> None:
            # What an old discovery finds while it is stopped is for sections that are gone.
            if sections is self._alertmanagers:
                labels = [target for group in groups for target in group.label_sets()]
                self._discovered[f"config-{i}"] = len(labels)
                self.notifier.update_targets(i, labels)

        return Discovery(providers, update, self._providers.stats)

    def _queried(
        self,
        file: str,
        group: str,
        rule: str,
        text: str,
        t_ms: int,
        stats: QueryStats | None,
        error: str,
    ) -> None:
        """A rule's expression was evaluated: a line in the query log and spans, where asked for."""
        self._tracing.rule(rule, text, stats, error)
        if self.query_log.enabled:
            shown = None if stats is None else query_stats(stats)
            origin = {"file": file, "name": group}
            self.query_log.note(text, (t_ms, t_ms, 0), shown, error, ruleGroup=origin)

    def _notify(self, rule: AlertingRule, alerts: list[Alert]) -> None:
        self.notifier.send(rule.expr, alerts)


def _client(section: AlertmanagerConfig) -> HttpClient:
    own = {"User-Agent": f"promlab/{__version__}"}
    return HttpClient(section.http, own, auth=authenticator(section.sigv4, own["User-Agent"]))


def _warn(line: str) -> None:
    log.warning("Rules", extra=facts(err=line))

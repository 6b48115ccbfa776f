"""After a restart: since when alerts have been pending, from ALERTS_FOR_STATE in storage.

The time that the server was down does not count towards `for`; an alert that was nearly due
gets at least the grace period, so that what it is about can be scraped again.
"""

from __future__ import annotations

from typing import NamedTuple

from promlab.model.labels import METRIC_NAME
from promlab.model.matchers import Matcher, MatchType
from promlab.model.samples import STALE_BITS
from promlab.model.storage import Querier
from promlab.rules.alert import Key, key_of
from promlab.rules.alerting import ALERT_NAME, ALERTS_FOR_STATE, AlertingRule


class RestoreOptions(NamedTuple):
    """Down longer than `outage_tolerance_ms` nothing is restored, nor for a `for` below grace."""

    outage_tolerance_ms: int = 3_600_000
    grace_period_ms: int = 600_000


DEFAULT_RESTORE = RestoreOptions()


def restore(rule: AlertingRule, querier: Querier, now_ms: int, options: RestoreOptions) -> int:
    """Set the times of a rule's alerts; returns how many were found. Raises StorageError."""
    found = 0
    if rule.for_ms >= options.grace_period_ms and rule.active:
        stored = _stored(rule, querier, now_ms, options)
        for key, alert in list(rule.active.items()):
            if key in stored:
                found += 1
                last_ms, active_ms = stored[key]
                alert.active_ms = _shifted(rule.for_ms, now_ms, last_ms, active_ms, options)
    rule.restored = True
    return found


def _shifted(
    for_ms: int, now_ms: int, last_ms: int, active_ms: int, options: RestoreOptions
) -> int:
    remaining_ms = for_ms - (last_ms - active_ms)
    if remaining_ms <= 0:
        return active_ms  # it was firing, and will again
    if remaining_ms < options.grace_period_ms:
        return now_ms + options.grace_period_ms - for_ms
    return active_ms + now_ms - last_ms


def _stored(
    rule: AlertingRule, querier: Querier, now_ms: int, options: RestoreOptions
) -> dict[Key, tuple[int, int]]:
    """Time of the last sample and the activation that it tells, of each alert not ended."""
    matchers = [
        Matcher(METRIC_NAME, MatchType.EQUAL, ALERTS_FOR_STATE),
        Matcher(ALERT_NAME, MatchType.EQUAL, rule.name),
    ]
    batch = querier.select(matchers, now_ms - options.outage_tolerance_ms, now_ms)
    found: dict[Key, tuple[int, int]] = {}
    for s in range(batch.n):
        t_ms, values = batch.series(s)
        if not len(values) or int(values[-1:].view("u8")[0]) == STALE_BITS:
            continue
        value = float(values[-1])
        if not abs(value) < 1e12:
            continue
        labels = {name: text for name, text in batch.labels.row(s).items() if name != METRIC_NAME}
        found[key_of(labels)] = int(t_ms[-1]), int(value) * 1000
    return found

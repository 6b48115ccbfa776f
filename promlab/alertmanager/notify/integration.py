"""One integration of a receiver: deduplicated against the log, sent with retries, logged."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from promlab.alertmanager.alerts import Alert
from promlab.alertmanager.clock import Clock
from promlab.alertmanager.counters import Counters
from promlab.alertmanager.nflog import Entry, NotificationLog, entry_key
from promlab.alertmanager.notify.notice import Group, Notice
from promlab.alertmanager.notify.templates import Templates
from promlab.alertmanager.receivers.base import Notifier
from promlab.alertmanager.receivers.errors import NotifyError

logger = logging.getLogger(__name__)

FIRST = "first notification"
NEW_ALERTS = "new alerts added"
ALL_RESOLVED = "all alerts resolved"
SOME_RESOLVED = "some alerts resolved"
REPEAT = "repeat interval elapsed"

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _GROWTH, _SPREAD = 0.5, 60.0, 1.5, 0.5


class Turn(Protocol):
    """When it is this peer's turn to notify."""

    async def wait(self) -> None:
        """Return when those before it had their time."""


def reason_to_send(
    entry: Entry | None,
    firing: frozenset[int],
    resolved: frozenset[int],
    *,
    send_resolved: bool,
    repeat_ms: int,
    now_ms: int,
) -> str:
    """Why a notification is due; "" if it is not."""
    if entry is None:
        return FIRST if firing else ""
    if not firing <= entry.firing:
        return NEW_ALERTS
    if not firing:
        return ALL_RESOLVED if entry.firing else ""
    if send_resolved and not resolved <= entry.resolved:
        return SOME_RESOLVED
    return REPEAT if entry.t_ms < now_ms - repeat_ms else ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all integrations share."""

    log: NotificationLog
    templates: Templates
    clock: Clock
    counters: Counters
    external_url: str
    turn: Turn


class IntegrationRunner:
    """Delivers to one integration."""

    def __init__(
        self,
        kind: str,
        index: int,
        receiver: str,
        notifier: Notifier,
        *,
        send_resolved: bool,
        timeout_s: float,
        around: Surroundings,
        show_receiver: bool = False,
    ) -> None:
        self.kind, self.index, self.receiver = kind, index, receiver
        self.send_resolved, self._timeout_s = send_resolved, timeout_s
        self._notifier, self._around = notifier, around
        self.label = (kind, receiver if show_receiver else "")
        counters = around.counters
        for counter in (counters.notifications, counters.requests, counters.requests_failed):
            counter[self.label] += 0

    @property
    def name(self) -> str:
        """`receiver/webhook[0]`."""
        return f"{self.receiver}/{self.kind}[{self.index}]"

    async def close(self) -> None:
        """Close its connections."""
        await self._notifier.client.close()

    async def deliver(self, group: Group, group_id: str, alerts: Sequence[Alert]) -> None:
        """Send what is due to be sent; nothing if nothing is. Raises NotifyError."""
        around = self._around
        await around.turn.wait()
        key = entry_key(group_id, self.receiver, self.kind, self.index)
        entry = around.log.get(key)
        ended = {a.fingerprint for a in alerts if a.resolved_at(group.now_ms)}
        firing = frozenset(a.fingerprint for a in alerts if a.fingerprint not in ended)
        resolved = frozenset(ended)
        reason = reason_to_send(
            entry,
            firing,
            resolved,
            send_resolved=self.send_resolved,
            repeat_ms=group.repeat_interval_ms,
            now_ms=around.clock.now_ms(),
        )
        if not reason:
            return
        store = dict(entry.store) if entry is not None and reason != FIRST else {}
        if self.send_resolved or firing:
            chosen = (
                alerts if self.send_resolved else [a for a in alerts if a.fingerprint in firing]
            )
            notice = Notice(group, chosen, reason, around.external_url, around.templates, store)
            await self._send(notice)
        around.log.add(key, firing, resolved, group.repeat_interval_ms, store)

    async def _send(self, notice: Notice) -> None:
        counters = self._around.counters
        counters.notifications[self.label] += 1
        started = time.perf_counter()
        try:
            await self._with_retries(notice)
        except NotifyError as error:
            counters.failed[(*self.label, error.reason)] += 1
            raise
        except asyncio.CancelledError:
            counters.failed[(*self.label, "contextCanceled")] += 1
            raise
        finally:
            counters.latency(self.label, time.perf_counter() - started)

    async def _with_retries(self, notice: Notice) -> None:
        """Try until it arrives, or there is no sense in it. The flush ends it in time."""
        pause_s, attempt = _FIRST_PAUSE_S, 0
        while True:
            attempt += 1
            try:
                await self._attempt(notice)
            except NotifyError as error:
                if not error.retry:
                    raise NotifyError(
                        f"{self.name}: notify retry canceled due to unrecoverable error after "
                        f"{attempt} attempts: {error}",
                        reason=error.reason,
                    ) from None
                if attempt == 1:
                    logger.warning(
                        "Notify attempt failed, will retry later",
                        extra={"facts": {"integration": self.name, "err": str(error)}},
                    )
            else:
                if attempt > 1:
                    facts = {"integration": self.name, "attempts": attempt}
                    logger.info("Notify success", extra={"facts": facts})
                return
            spread = random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311  (spreads load)
            await asyncio.sleep(pause_s * spread)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * _GROWTH)

    async def _attempt(self, notice: Notice) -> None:
        counters = self._around.counters
        counters.requests[self.label] += 1
        try:
            async with asyncio.timeout(self._timeout_s or None):
                await self._notifier.notify(notice)
        except TimeoutError:
            counters.requests_failed[self.label] += 1
            raise NotifyError(
                f"no answer within {self._timeout_s:g}s",
                retry=True,
                reason="contextDeadlineExceeded",
            ) from None
        except NotifyError:
            counters.requests_failed[self.label] += 1
            raise
        except Exception as error:
            counters.requests_failed[self.label] += 1
            logger.exception("Notify attempt broke", extra={"facts": {"integration": self.name}})
            raise NotifyError(f"internal error: {error!r}") from None

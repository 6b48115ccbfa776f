"""The gateway itself: what a push, a deletion and the passing of time do to the groups."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from promlab.exporters.families import LabelKey
from promlab.pushgateway.body import Pushed, grouped
from promlab.pushgateway.journal import Journal, Record, push_record
from promlab.pushgateway.own_metrics import OwnMetrics
from promlab.pushgateway.store import Inconsistent, Store
from promlab.web.log import facts

log = logging.getLogger(__name__)


class Gateway:
    """Groups, and the file that they survive in, if there is one."""

    def __init__(
        self,
        journal: Journal | None = None,
        *,
        check: bool = True,
        utf8: bool = False,
        default_ttl_s: float = 0.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.own = OwnMetrics()
        self.store = Store(self.own.types, check=check, utf8=utf8)
        self._journal, self._check, self._now = journal, check, now
        self._default_ttl_s = default_ttl_s
        if journal is not None:
            journal.restore(self.store)
            self.expire()

    def push(self, key: LabelKey, pushed: Pushed, *, replace: bool, ttl_s: float | None) -> None:
        """Put families into a group. Raises Inconsistent, StorageError."""
        now_s = self._now()
        if ttl_s is None and key not in self.store.groups and self._default_ttl_s:
            ttl_s = self._default_ttl_s
        try:
            if pushed.stamped and self._check:
                raise Inconsistent("pushed metrics must not have timestamps")
            families = [grouped(family, key) for family in pushed.families]
            stored = self.store.prepare(key, families, now_s, replace=replace)
        except Inconsistent as error:
            self._write(Record("fail", key, now_s, ttl_s))
            self.store.fail(key, now_s, ttl_s)
            log.error(
                "pushed metrics are invalid or inconsistent with existing metrics",
                extra=facts(group=dict(key), err=error),
            )
            raise Inconsistent(
                f"pushed metrics are invalid or inconsistent with existing metrics: {error}"
            ) from None
        self._write(push_record("replace" if replace else "merge", key, stored, now_s, ttl_s))
        self.store.apply(key, stored, now_s, replace=replace, ttl_s=ttl_s)
        if self._journal is not None:
            self._journal.rewrite_if_large(self.store, now_s)

    def delete(self, key: LabelKey) -> None:
        """Remove a group, if there is one. Raises StorageError."""
        if key in self.store.groups:
            self._write(Record("delete", key))
            self.store.delete(key)

    def wipe(self) -> None:
        """Remove all groups. Raises StorageError."""
        self._write(Record("wipe"))
        self.store.wipe()

    def expire(self) -> None:
        """Remove the groups whose time is up."""
        for key in self.store.expired(self._now()):
            log.info("A group has expired", extra=facts(group=dict(key)))
            self.delete(key)

    def close(self) -> None:
        """Write down what there is and let go of the file."""
        if self._journal is not None:
            self._journal.rewrite(self.store)
            self._journal.close()

    def _write(self, record: Record) -> None:
        if self._journal is not None:
            self._journal.append(record)

"""What a scrape of the gateway gets: all groups and the gateway's own metrics.

The text of a name is kept until a push touches it, so that a scrape of a thousand quiet groups
is a join of bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

from promlab.exporters import protobuf
from promlab.exporters.families import Family, gauge, header, lines, render
from promlab.exporters.negotiation import Choice
from promlab.pushgateway.own_metrics import OwnMetrics, merged
from promlab.pushgateway.store import (
    EXPIRY_TIME,
    FAILURE_TIME,
    OF_GROUPS,
    PUSH_TIME,
    Group,
    Store,
)

_HELP = {
    PUSH_TIME: "Last Unix time when changing this group in the Pushgateway succeeded.",
    FAILURE_TIME: "Last Unix time when changing this group in the Pushgateway failed.",
    EXPIRY_TIME: "Unix time when this group is removed unless something is pushed to it.",
}


def group_families(groups: Iterable[Group]) -> list[Family]:
    """When groups were pushed, and when some of them expire."""
    times = {name: gauge(name, help_) for name, help_ in _HELP.items()}
    for group in groups:
        times[PUSH_TIME].add(group.pushed_s, group.labels)
        times[FAILURE_TIME].add(group.failure_s, group.labels)
        if group.ttl_s:
            times[EXPIRY_TIME].add(group.expires_s, group.labels)
    return list(times.values())


class Exposure:
    """Bodies of scrapes."""

    def __init__(self, store: Store, own: OwnMetrics) -> None:
        self._store, self._own = store, own
        self._texts: dict[str, bytes] = {}
        self._utf8 = False

    def body(self, choice: Choice) -> bytes:
        """All that there is, in text or protobuf."""
        if choice.kind == "protobuf":
            return protobuf.render(merged([*self._pushed(), *self._own.families()]))
        return self._text(choice.utf8)

    def _pushed(self) -> Iterable[Family]:
        for holders in self._store.by_name.values():
            yield from (one.family for one in holders.values())
        yield from group_families(self._store.in_order())

    def _text(self, utf8: bool) -> bytes:
        store = self._store
        if utf8 != self._utf8:
            self._utf8, self._texts = utf8, {}
            store.changed |= {*store.by_name, *OF_GROUPS}
            for holders in store.by_name.values():
                for one in holders.values():
                    one.lines = None
        if store.changed & OF_GROUPS:
            for family in group_families(store.in_order()):
                self._texts[family.name] = render([family], utf8=utf8)
        for name in store.changed - OF_GROUPS:
            self._texts[name] = self._family_text(name)
            if not self._texts[name]:
                del self._texts[name]
        store.changed.clear()
        texts = dict(self._texts)
        for family in self._own.families():
            pushed = store.by_name.get(family.name, {}).values()
            together = merged([family, *(one.family for one in pushed)])
            texts[family.name] = render(together, utf8=utf8)
        return b"".join(texts[name] for name in sorted(texts))

    def _family_text(self, name: str) -> bytes:
        holders = self._store.by_name.get(name)
        if not holders:
            return b""
        found = [holders[key] for key in self._store.order() if key in holders]
        for one in found:
            if one.lines is None:
                one.lines = lines(one.family, self._utf8)
        helped = next((one.family for one in found if one.family.help), found[0].family)
        return b"".join([header(helped, self._utf8), *(one.lines or b"" for one in found)])

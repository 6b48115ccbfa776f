"""The routing tree: which routes an alert goes to, and what its groups are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from promlab.alertmanager.config.route import RouteConfig
from promlab.alertmanager.matchers import show, sort_key
from promlab.model.matchers import Matcher

GROUP_WAIT_MS = 30_000
GROUP_INTERVAL_MS = 300_000
REPEAT_INTERVAL_MS = 4 * 3_600_000
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """What a route does with its alerts. `group_by` None means: by all labels."""

    receiver: str
    group_by: tuple[str, ...] | None
    group_wait_ms: int = GROUP_WAIT_MS
    group_interval_ms: int = GROUP_INTERVAL_MS
    repeat_interval_ms: int = REPEAT_INTERVAL_MS
    mute: tuple[str, ...] = ()
    active: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Route:
    """A node of the tree. `key` is its path of matchers, `id` tells apart what has the same."""

    options: RouteOptions
    matchers: tuple[Matcher, ...]
    continues: bool
    key: str
    id: str
    children: tuple[Route, ...] = field(default=())
    _known: dict[tuple[str, ...], bool] = field(default_factory=dict, repr=False)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels comes in here."""
        if not self.matchers:
            return True
        # Few routes, many alerts, the same values again and again.
        values = tuple([labels.get(matcher.name, "") for matcher in self.matchers])
        found = self._known.get(values)
        if found is None:
            pairs = zip(self.matchers, values, strict=True)
            found = all(matcher.matches(value) for matcher, value in pairs)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[values] = found
        return found

    def match(self, labels: Mapping[str, str]) -> list[Route]:
        """The routes that an alert ends in: depth first, the first unless it continues."""
        if not self.matches(labels):
            return []
        found: list[Route] = []
        for child in self.children:
            below = child.match(labels)
            found += below
            if below and not child.continues:
                break
        return found or [self]

    def walk(self) -> Iterator[Route]:
        """This route and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def group_labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """What an alert's group is known by in this route."""
        names = self.options.group_by
        if names is None:
            return dict(labels)
        return {name: labels[name] for name in names if name in labels}


def tree(config: RouteConfig) -> Route:
    """The tree that a configuration describes."""
    options = RouteOptions(
        receiver=config.receiver,
        group_by=_group_by(config, ()),
        group_wait_ms=_or(config.group_wait_ms, GROUP_WAIT_MS),
        group_interval_ms=_or(config.group_interval_ms, GROUP_INTERVAL_MS),
        repeat_interval_ms=_or(config.repeat_interval_ms, REPEAT_INTERVAL_MS),
    )
    root = Route(options, (), False, "{}", "{}")
    root.children = _children(config, root)
    return root


def _children(config: RouteConfig, parent: Route) -> tuple[Route, ...]:
    found = []
    for index, child in enumerate(config.routes):
        base = parent.options
        options = RouteOptions(
            receiver=child.receiver or base.receiver,
            group_by=_group_by(child, base.group_by),
            group_wait_ms=_or(child.group_wait_ms, base.group_wait_ms),
            group_interval_ms=_or(child.group_interval_ms, base.group_interval_ms),
            repeat_interval_ms=_or(child.repeat_interval_ms, base.repeat_interval_ms),
            mute=child.mute_time_intervals,
            active=child.active_time_intervals,
        )
        matchers = tuple(sorted(child.all_matchers, key=sort_key))
        path = "{" + ",".join(map(show, matchers)) + "}"
        route = Route(
            options,
            matchers,
            child.continue_,
            f"{parent.key}/{path}",
            f"{parent.id}/{path}/{index}",
        )
        route.children = _children(child, route)
        found.append(route)
    return tuple(found)


def _group_by(config: RouteConfig, inherited: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if config.group_by is None:
        return inherited
    return None if config.group_by == ("...",) else tuple(sorted(config.group_by))


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def group_key(route: Route, labels: Mapping[str, str]) -> str:
    """What a group is called: `{}/{team="x"}:{alertname="Down"}`."""
    return f"{route.key}:{label_text(labels)}"


def label_text(labels: Mapping[str, str]) -> str:
    """Labels as Prometheus prints a label set: `{a="b", c="d"}`."""
    shown = (f"{name}={_quoted(labels[name])}" for name in sorted(labels))
    return "{" + ", ".join(shown) + "}"


def _quoted(text: str) -> str:
    if text.isprintable():
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    from promlab.templating.errors import quote

    return quote(text)

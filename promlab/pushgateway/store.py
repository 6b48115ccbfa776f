"""Groups of pushed metrics, kept so that they can be exposed together.

What may be exposed follows from all groups: a name has one type, no series comes twice, nothing
collides with the parts of a histogram. The indexes here answer that for what is pushed alone,
without looking at all the rest. Nothing here does I/O: see `journal` and `app`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from promlab.errors import PromlabError
from promlab.exporters.families import Family, LabelKey, label_key
from promlab.pushgateway.grouping import is_label_name

PUSH_TIME, FAILURE_TIME = "push_time_seconds", "push_failure_time_seconds"
EXPIRY_TIME = "push_expiry_time_seconds"
OF_GROUPS = frozenset({PUSH_TIME, FAILURE_TIME, EXPIRY_TIME})
_FLOAT_LABELS = {"histogram": "le", "summary": "quantile"}
_PARTS = {"histogram": ("_count", "_sum", "_bucket"), "summary": ("_count", "_sum")}


class Inconsistent(PromlabError):
    """Metrics that can't be exposed together with those that are there."""


class Stored:
    """A family of a group; `keys` are the labels of its metrics, `lines` their text, once known."""

    __slots__ = ("family", "keys", "lines", "time_s")

    def __init__(self, family: Family, keys: tuple[LabelKey, ...], time_s: float) -> None:
        self.family, self.keys, self.time_s = family, keys, time_s
        self.lines: bytes | None = None

    @classmethod
    def of(cls, family: Family, time_s: float) -> Stored:
        """A family that was pushed at a time."""
        float_label = _FLOAT_LABELS.get(family.type, "")
        if not float_label:
            found = [label_key(labels) for _, labels, _ in family.samples]
        else:
            found = list({label_key(labels, float_label): 0 for _, labels, _ in family.samples})
        return cls(family, tuple(found), time_s)


class Group:
    """What was pushed under one grouping key. Times are Unix times, 0 for never."""

    __slots__ = ("expires_s", "failure_s", "families", "key", "labels", "pushed_s", "ttl_s")

    def __init__(self, key: LabelKey) -> None:
        self.key = key
        self.labels = dict(sorted({"instance": "", **dict(key)}.items()))
        self.families: dict[str, Stored] = {}
        self.pushed_s = self.failure_s = 0.0
        self.ttl_s = 0.0  # 0: it stays
        self.expires_s = float("inf")

    @property
    def is_good(self) -> bool:
        """Whether the last push succeeded."""
        return self.pushed_s >= self.failure_s


class Store:
    """All groups. `own` are names and types of the gateway's own metrics."""

    def __init__(self, own: Mapping[str, str], *, check: bool = True, utf8: bool = False) -> None:
        self.groups: dict[LabelKey, Group] = {}
        self.by_name: dict[str, dict[LabelKey, Stored]] = {}
        self.changed: set[str] = set()  # names whose text is out of date
        self._order: list[LabelKey] = []  # keys of all groups, sorted; empty: not known
        self._series: dict[tuple[str, LabelKey], LabelKey] = {}
        self._own, self._check, self._utf8 = own, check, utf8

    def prepare(
        self, key: LabelKey, families: Sequence[Family], now_s: float, *, replace: bool
    ) -> list[Stored]:
        """Check what is to be pushed. Raises Inconsistent; nothing is changed yet."""
        families = [family for family in families if family.name not in OF_GROUPS]
        stored = [Stored.of(family, now_s) for family in families if family.samples]
        if self._check:
            self._refuse_inconsistent(key, stored, replace)
        return stored

    def apply(
        self,
        key: LabelKey,
        stored: Sequence[Stored],
        now_s: float,
        *,
        replace: bool,
        ttl_s: float | None = None,
    ) -> None:
        """Store what `prepare` gave; a `ttl_s` of None leaves the group's as it is."""
        group = self._group(key)
        gone = list(group.families) if replace else [s.family.name for s in stored]
        for name in gone:
            self._drop(group, name)
        for one in stored:
            name = one.family.name
            group.families[name] = one
            self.by_name.setdefault(name, {})[key] = one
            self._series.update(((name, labels), key) for labels in one.keys)
            self.changed.add(name)
        group.pushed_s = now_s
        self._set_ttl(group, ttl_s, now_s)
        self.changed |= OF_GROUPS

    def fail(self, key: LabelKey, now_s: float, ttl_s: float | None = None) -> None:
        """Note that a push was refused; a group that was never pushed to is made for that."""
        group = self._group(key)
        group.failure_s = now_s
        if not group.pushed_s:
            self._set_ttl(group, ttl_s, now_s)
        self.changed |= {FAILURE_TIME, PUSH_TIME, EXPIRY_TIME}

    def delete(self, key: LabelKey) -> bool:
        """Remove a group; False if there was none."""
        group = self.groups.pop(key, None)
        if group is None:
            return False
        self._order = []
        for name in list(group.families):
            self._drop(group, name)
        self.changed |= OF_GROUPS
        return True

    def wipe(self) -> None:
        """Remove all groups."""
        for key in list(self.groups):
            self.delete(key)

    def expired(self, now_s: float) -> list[LabelKey]:
        """Groups whose time is up."""
        return [key for key, group in self.groups.items() if group.expires_s <= now_s]

    def restore(self, group: Group) -> None:
        """Put a group back as it was."""
        self.delete(group.key)
        self.apply(group.key, list(group.families.values()), group.pushed_s, replace=True)
        self.groups[group.key].failure_s = group.failure_s
        self._set_ttl(self.groups[group.key], group.ttl_s, group.pushed_s or group.failure_s)

    def _group(self, key: LabelKey) -> Group:
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group(key)
            self._order = []
        return group

    def _set_ttl(self, group: Group, ttl_s: float | None, now_s: float) -> None:
        if ttl_s is not None:
            group.ttl_s = ttl_s
        group.expires_s = now_s + group.ttl_s if group.ttl_s else float("inf")

    def _drop(self, group: Group, name: str) -> None:
        one = group.families.pop(name, None)
        if one is None:
            return
        for labels in one.keys:
            # Unchecked pushes may have given the series to another group since.
            if self._series.get((name, labels)) == group.key:
                del self._series[name, labels]
        holders = self.by_name[name]
        del holders[group.key]
        if not holders:
            del self.by_name[name]
        self.changed.add(name)

    def _refuse_inconsistent(self, key: LabelKey, stored: list[Stored], replace: bool) -> None:
        pushed = {one.family.name: one.family.type for one in stored}
        if len(pushed) < len(stored):
            raise Inconsistent("a metric family comes twice")
        for one in stored:
            self._refuse_names(one)
            self._refuse_type(key, one.family)
            self._refuse_twins(key, one)
        for name, type_ in pushed.items():
            self._refuse_collision(key, name, type_, pushed, replace)

    def _refuse_names(self, one: Stored) -> None:
        for name in {name for key in one.keys for name, _ in key}:
            if not is_label_name(name, self._utf8):
                raise Inconsistent(
                    f"collected metric {one.family.name!r} has a label with an invalid name: {name}"
                )

    def _refuse_type(self, key: LabelKey, family: Family) -> None:
        own = self._own.get(family.name, family.type)
        if own != family.type:
            raise Inconsistent(
                f"metric {family.name!r} is the gateway's own {own}, and no {family.type}"
            )
        for other, one in self.by_name.get(family.name, {}).items():
            if other != key and one.family.type != family.type:
                raise Inconsistent(
                    f"metric {family.name!r} is a {family.type} here, but a {one.family.type} in "
                    f"the group {dict(other)}"
                )

    def _refuse_twins(self, key: LabelKey, one: Stored) -> None:
        name, seen = one.family.name, set()
        for labels in one.keys:
            owner = self._series.get((name, labels), key)
            if labels in seen or owner != key:
                where = "" if labels in seen else f" by the group {dict(owner)}"
                raise Inconsistent(
                    f"metric {name!r} {dict(labels)} was collected before with the same name and "
                    f"label values{where}"
                )
            seen.add(labels)

    def _refuse_collision(
        self, key: LabelKey, name: str, type_: str, pushed: Mapping[str, str], replace: bool
    ) -> None:
        for part in _PARTS.get(type_, ()):
            if self._type(name + part, key, pushed, replace):
                raise Inconsistent(
                    f"collected {type_} named {name!r} collides with previously collected metric "
                    f"named {name + part!r}"
                )
        for kind, parts in _PARTS.items():
            for part in parts:
                base = name.removesuffix(part)
                if base != name and self._type(base, key, pushed, replace) == kind:
                    raise Inconsistent(
                        f"collected metric named {name!r} collides with previously collected "
                        f"{kind} named {base!r}"
                    )

    def _type(self, name: str, key: LabelKey, pushed: Mapping[str, str], replace: bool) -> str:
        """The type that a name has once the push is in; empty for an unknown name."""
        if name in pushed or name in self._own:
            return pushed.get(name) or self._own[name]
        for other, one in self.by_name.get(name, {}).items():
            if other != key or not replace:
                return one.family.type
        return ""

    def order(self) -> list[LabelKey]:
        """Keys of all groups, sorted."""
        if not self._order:
            self._order = sorted(self.groups)
        return self._order

    def in_order(self) -> Iterator[Group]:
        """All groups, by their labels."""
        return (self.groups[key] for key in self.order())

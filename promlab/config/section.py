"""Sections: mappings with known fields, as frozen dataclasses.

A section declares each field once: `name: type = opt(kind, default)`. Reading, the refusal
of unknown fields, and printing follow from that. A section that has rules beyond its
fields' kinds overrides `check`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, TypeVar, cast, dataclass_transform

from promlab.config.document import At, shown_key
from promlab.config.kinds import Kind

T = TypeVar("T")
S = TypeVar("S", bound="Section")


class Spec(NamedTuple):
    """One declared field: its attribute, its key in YAML, its kind."""

    name: str
    key: str
    kind: Kind[Any] | None
    inline: type[Section] | None
    default: Callable[[], Any]
    always: bool


def opt(kind: Kind[T], default: T, *, key: str = "", always: bool = False) -> T:
    """A field of a section. `key` where YAML's name differs; `always` prints defaults too."""
    meta = {"kind": kind, "key": key, "always": always}
    if isinstance(default, dict):
        copied = cast("dict[Any, Any]", default)
        return cast("T", field(default_factory=lambda: dict(copied), metadata=meta))
    return field(default=default, metadata=meta, repr=not kind.hidden)


def inline(section: type[S]) -> S:
    """A section whose fields stand directly in the one that holds it."""
    return field(default_factory=section, metadata={"inline": section})


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(cls: type[T]) -> type[T]:
    """Make a section's class the frozen dataclass that it declares."""
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


# No field has so long a name, and looking for one that is near would take long.
_LONG = 64
_specs: dict[type[Any], tuple[Spec, ...]] = {}
_keys: dict[type[Any], frozenset[str]] = {}


def specs(cls: type[Section]) -> tuple[Spec, ...]:
    """All declared fields of a section."""
    if cls not in _specs:
        _specs[cls] = tuple(_spec(each) for each in fields(cls) if each.metadata)
    return _specs[cls]


def _spec(declared: Field[Any]) -> Spec:
    meta = declared.metadata
    value, factory = declared.default, declared.default_factory
    default = (lambda: value) if factory is MISSING else factory
    key = meta.get("key") or declared.name
    always = meta.get("always", False)
    return Spec(declared.name, key, meta.get("kind"), meta.get("inline"), default, always)


def keys(cls: type[Section]) -> frozenset[str]:
    """All keys that a section has in YAML."""
    if cls not in _keys:
        own = (keys(spec.inline) if spec.inline else {spec.key} for spec in specs(cls))
        _keys[cls] = cls.extra_keys().union(*own)
    return _keys[cls]


@record
class Section:
    """A mapping with known fields; without those that are `required`, `check` refuses it."""

    required: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def read(cls: type[S], at: At) -> S:
        """Read and check this section; unknown fields are refused."""
        entries = at.entries()
        known = keys(cls)
        for key, (key_at, _) in entries.items():
            if key not in known:
                key_at.fail(f"unknown field {shown_key(key)!r}{_hint(key, known)}")
        return cls._build(at, {key: value for key, (_, value) in entries.items()})

    @classmethod
    def extra_keys(cls) -> frozenset[str]:
        """Keys that a section reads by itself, beyond its declared fields."""
        return frozenset()

    @classmethod
    def extra_shapes(cls) -> Mapping[str, Any]:
        """What YAML may hold under each of the `extra_keys`, for editors."""
        return {key: {} for key in cls.extra_keys()}

    @classmethod
    def _build(cls: type[S], at: At, entries: dict[str, At]) -> S:
        return cls._declared(at, entries)

    @classmethod
    def _declared(cls: type[S], at: At, entries: dict[str, At]) -> S:
        values: dict[str, Any] = {}
        for spec in specs(cls):
            if spec.inline:
                values[spec.name] = spec.inline._build(at, entries)
            elif spec.kind is not None and spec.key in entries:
                values[spec.name] = spec.kind(entries[spec.key])
        section = cls(**values)
        section.check(at)
        return section

    def check(self, at: At) -> None:
        """Refuse what can't be, beyond the kinds of the fields."""

    def _plain(self) -> Iterator[tuple[str, Any]]:
        for spec in specs(type(self)):
            value = getattr(self, spec.name)
            if spec.inline:
                yield from value._plain()
            elif spec.kind is not None and (spec.always or value != spec.default()):
                yield spec.key, spec.kind.write(value)

    def plain(self) -> dict[str, Any]:
        """The section as YAML can hold it, secrets hidden, most defaults left out."""
        return dict(self._plain())


def _hint(key: str, known: frozenset[str]) -> str:
    name = shown_key(key).removesuffix("…")
    if name in known:
        return ": after its colon there must be a blank"
    near = difflib.get_close_matches(name, known, 1) if len(name) < _LONG else []
    return f": did you mean {near[0]}?" if near else ""


def _or_nothing(cls: type[Section]) -> Mapping[str, Any]:
    return {"anyOf": [cls, {"type": "null"}]}


def section(cls: type[S]) -> Kind[S]:
    """A field that holds a section."""
    return Kind(cls.read, lambda value: value.plain(), cls(), shape=_or_nothing(cls))


def maybe(cls: type[S]) -> Kind[S | None]:
    """A field that holds a section, or None where it is left out."""

    def write(value: S | None) -> dict[str, Any] | None:
        return None if value is None else value.plain()

    return Kind(cls.read, write, None, shape=_or_nothing(cls))


def sections(cls: type[S], null: str) -> Kind[tuple[S, ...]]:
    """A list of sections; `null` is the error for an element that is nothing."""

    def read(at: At) -> S:
        if at.is_null:
            at.fail(null)
        return cls.read(at)

    def read_all(at: At) -> tuple[S, ...]:
        return tuple(read(item) for item in at.items())

    shape = {"type": ["array", "null"], "items": cls}
    return Kind(read_all, lambda values: [value.plain() for value in values], (), shape=shape)

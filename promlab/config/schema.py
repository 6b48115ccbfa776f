"""JSON schemas of configuration files, for editors: made of the sections that read them.

A schema knows fields, kinds of values, defaults and the words to choose from. What holds between
fields only the reader checks: a file that a schema takes may still be refused, but one that the
reader takes is never marked.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from promlab.config.kinds import TEXT, Kind
from promlab.config.secret import Secret
from promlab.config.section import Section, Spec, specs

DRAFT = "http://json-schema.org/draft-07/schema#"


def schema_of(cls: type[Section], title: str) -> dict[str, Any]:
    """The schema of files that hold one such section."""
    maker = _Maker()
    root = maker.reference(cls)
    return {
        "$schema": DRAFT,
        "title": title,
        "anyOf": [root, {"type": "null"}],
        "definitions": dict(sorted(maker.definitions.items())),
    }


class _Maker:
    """Definitions of all sections that have been referred to."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}
        self._names: dict[type[Section], str] = {}

    def reference(self, cls: type[Section]) -> dict[str, str]:
        if cls not in self._names:
            self._names[cls] = name = self._free(cls.__name__)
            self.definitions[name] = {}  # It may hold others of its own.
            self.definitions[name] = self._section(cls)
        return {"$ref": f"#/definitions/{self._names[cls]}"}

    def _free(self, name: str) -> str:
        """The name, numbered where another room has a class of the same."""
        taken, number = set(self._names.values()), 2
        found = name
        while found in taken:
            found, number = f"{name}{number}", number + 1
        return found

    def _section(self, cls: type[Section]) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        self._fields(cls, properties)
        found: dict[str, Any] = {"type": "object", "additionalProperties": False}
        about = inspect.getdoc(cls)
        if about:
            found["description"] = " ".join(about.split())
        if cls.required:
            found["required"] = list(cls.required)
        return {**found, "properties": dict(sorted(properties.items()))}

    def _fields(self, cls: type[Section], properties: dict[str, Any]) -> None:
        for spec in specs(cls):
            if spec.inline is not None:
                self._fields(spec.inline, properties)
            elif spec.kind is not None:
                properties[spec.key] = self._field(spec, spec.kind)
        for key, shape in cls.extra_shapes().items():
            properties[key] = self.shape(shape)

    def _field(self, spec: Spec, kind: Kind[Any]) -> Any:
        shape = self.shape(kind)
        default = spec.default()
        if isinstance(default, str | int | float) and default not in ("", 0):
            # False is what most switches are, and worth no word.
            return {**shape, "default": kind.write(default)}
        return shape

    def shape(self, shape: Any) -> Any:
        """The schema of a shape: classes become references, kinds their shapes."""
        if isinstance(shape, Kind):
            return self.shape(_own(shape))
        if inspect.isclass(shape) and issubclass(shape, Section):
            return self.reference(shape)
        if isinstance(shape, Mapping):
            return {key: self.shape(value) for key, value in shape.items()}
        if isinstance(shape, list | tuple):
            return [self.shape(value) for value in shape]
        return shape


def _own(kind: Kind[Any]) -> Any:
    """What a kind says about itself, or what the value for nothing tells of the others."""
    if kind.shape is not None:
        return kind.shape() if callable(kind.shape) else kind.shape
    if isinstance(kind.null, str | Secret):
        return TEXT
    if isinstance(kind.null, Mapping):
        return {"type": ["object", "null"]}
    return {}

"""A YAML document whose every value knows where it stands.

`parse` gives the root as an `At`: a YAML node together with its file and its path inside the
document, so that whoever reads a value can refuse it with file, line, column and field.
Nothing is converted here. Duplicate keys are refused; a document is limited in size, depth
and (because aliases multiply) in the number of values that are read from it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import NoReturn

import yaml

from promlab.config.expand import expand_nodes
from promlab.errors import ConfigError

MAX_BYTES = 32 << 20
MAX_VALUES = 1_000_000
MAX_DEPTH = 100
# What is said about a value that is a megabyte is not a megabyte.
MAX_MESSAGE, MAX_FIELD = 1000, 300

_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset(("str", "int", "float", "bool", "null", "timestamp", "merge", "value"))
_NAME = re.compile(r"""[^\s:'"{}\[\],!&]*""")
_NAMES = {"str": "text", "map": "a mapping", "seq": "a list", "null": "nothing"}


@dataclass(frozen=True, slots=True)
class At:
    """One value of a document: its YAML node, file, path of fields and a count of reads."""

    node: yaml.Node
    file: str
    field: str = ""
    depth: int = 0
    reads: Iterator[int] = dataclasses.field(default_factory=count, repr=False)

    @property
    def tag(self) -> str:
        """Short name of the YAML type: `str`, `int`, `bool`, `null`, `map`, `seq`, ..."""
        return str(self.node.tag).removeprefix(_TAG)

    @property
    def is_null(self) -> bool:
        """Whether nothing is written here."""
        return self.tag == "null"

    @property
    def directory(self) -> Path | None:
        """Folder of the file, against which relative paths count; None for a mere text."""
        return Path(self.file).parent if self.file else None

    def fail(self, message: str) -> NoReturn:
        """Refuse this value."""
        mark = self.node.start_mark
        raise ConfigError(
            _short(message, MAX_MESSAGE),
            path=self.file,
            line=mark.line + 1,
            column=mark.column + 1,
            field=_short(self.field, MAX_FIELD),
        )

    def expected(self, what: str) -> NoReturn:
        """Refuse this value for not being of the wanted kind."""
        self.fail(f"expected {what}, found {_NAMES.get(self.tag, self.tag)}")

    def text(self) -> str:
        """The scalar as it is written; "" for null. `!!binary` is decoded."""
        if not isinstance(self.node, yaml.ScalarNode):
            self.expected("text")
        if self.tag == "binary":
            return self._binary()
        if self.tag not in _SCALARS:
            self.fail(f"the tag {self.tag[:80]!r} is not known here")
        return "" if self.is_null else str(self.node.value)

    def _binary(self) -> str:
        import base64
        import binascii

        try:
            decoded = base64.b64decode("".join(self.node.value.split()), validate=True)
            return decoded.decode()
        except binascii.Error:
            self.fail("!!binary value contains invalid base64 data")
        except UnicodeDecodeError:
            self.fail("text must be valid UTF-8")

    def items(self) -> list[At]:
        """The elements of a list; none for null."""
        if self.is_null:
            return []
        if not isinstance(self.node, yaml.SequenceNode):
            self.expected("a list")
        return [self._child(node, f"{self.field}[{i}]") for i, node in enumerate(self.node.value)]

    def entries(self) -> dict[str, tuple[At, At]]:
        """Key and value of each entry of a mapping, by key; none for null."""
        if self.is_null:
            return {}
        if not isinstance(self.node, yaml.MappingNode):
            self.expected("a mapping")
        found: dict[str, tuple[At, At]] = {}
        merged: dict[str, tuple[At, At]] = {}
        for key_node, value_node in self.node.value:
            key_at = self._child(key_node, self.field)
            if not isinstance(key_node, yaml.ScalarNode):
                key_at.fail("a key must be text")
            if key_at.tag == "merge":
                merged |= self._child(value_node, self.field)._merged()
                continue
            key = key_at.text()
            path = f"{self.field}.{shown_key(key)}" if self.field else shown_key(key)
            if key in found:
                self._child(key_node, path).fail("this key is already set")
            found[key] = (self._child(key_node, path), self._child(value_node, path))
        return {**merged, **found}

    def _merged(self) -> dict[str, tuple[At, At]]:
        """The entries that `<<: *anchor` or `<<: [*one, *other]` brings; the first wins."""
        if not isinstance(self.node, yaml.SequenceNode):
            return self.entries()
        found: dict[str, tuple[At, At]] = {}
        for node in self.node.value:
            found = {**self._child(node, self.field).entries(), **found}
        return found

    def get(self, key: str) -> At:
        """The value of a key of this mapping; this value itself where there is none."""
        if not isinstance(self.node, yaml.MappingNode):
            return self
        found = self.entries().get(key)
        return found[1] if found else self

    def _child(self, node: yaml.Node, path: str) -> At:
        child = At(node, self.file, path, self.depth + 1, self.reads)
        if child.depth > MAX_DEPTH:
            child.fail(f"nested deeper than {MAX_DEPTH} levels")
        if next(self.reads) > MAX_VALUES:
            child.fail(f"the document has more than {MAX_VALUES:,} values")
        return child


def shown_key(key: str) -> str:
    """A key as errors show it: where a blank was forgotten, the value is in it, and a secret."""
    name = _NAME.match(key)
    return key if name is None or name[0] == key else f"{name[0]}…"


def _short(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[:size]}…"


def parse(text: str, file: str = "", environment: Mapping[str, str] | None = None) -> At:
    """The root of the first document in `text`. Raises ConfigError if it is not YAML.

    With an environment, `${VAR}` in values is expanded.
    """
    if len(text) > MAX_BYTES:
        raise ConfigError(f"larger than {MAX_BYTES >> 20} MiB", path=file)
    try:
        loader = _Loader(text)
        try:
            node = loader.get_node() if loader.check_node() else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        reason = " ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(
            f"not valid YAML: {reason}", path=file, line=line, column=column
        ) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise ConfigError(
            f"not valid YAML: the character {chr(error.character)!r} is not allowed",
            path=file,
            line=line,
            column=column,
        ) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"not valid YAML: {reason}", path=file) from None
    if node is not None and environment is not None:
        expand_nodes(node, file, environment)
    if node is None:
        mark = yaml.Mark(file, 0, 0, 0, None, 0)
        node = yaml.ScalarNode(_TAG + "null", "", mark, mark)
    return At(node, file)


def read_text(path: str | Path) -> str:
    """The text of a file. Raises ConfigError, in one line, if it can't be had."""
    try:
        raw = Path(path).read_bytes()
    except FileNotFoundError:
        raise ConfigError("no such file", path=str(path)) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"cannot be read: {reason}", path=str(path)) from None
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError("not valid UTF-8", path=str(path), line=line) from None

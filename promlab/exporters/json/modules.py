"""The file of modules: which numbers of a document are metrics. The format of json_exporter.

Bodies made by templates (`templatize`) are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from promlab.config import kinds
from promlab.config.document import At, parse, read_text
from promlab.config.http_client import HttpClientConfig
from promlab.config.kinds import Kind
from promlab.config.section import Section, maybe, opt, record, section, sections
from promlab.errors import ConfigError
from promlab.exporters.families import plain_name
from promlab.exporters.json.paths import Path, Template, path_of

T = TypeVar("T")
TYPES = ("value", "object")
VALUE_TYPES = ("gauge", "counter", "untyped")


def _compiled(compile_: Callable[[str], T]) -> Callable[[At], T]:
    def read(at: At) -> T:
        try:
            return compile_(at.text())
        except ConfigError as error:
            at.fail(str(error))

    return read


_path: Kind[Path | None] = Kind(_compiled(path_of), str, None)
_template: Kind[Template] = Kind(_compiled(Template), str, Template(""))


@record
class Metric(Section):
    """One family, or one of each of an object's `values`."""

    name: str = opt(kinds.string, "")
    path: Path | None = opt(_path, None)
    help: str = opt(kinds.string, "")
    type: str = opt(kinds.one_of(*TYPES, what="type"), "value")
    value_type: str = opt(kinds.one_of(*VALUE_TYPES, what="value type"), "untyped", key="valuetype")
    epoch_timestamp: Path | None = opt(_path, None, key="epochTimestamp")
    labels: Mapping[str, Template] = opt(kinds.map_of(kinds.label_name, _template), {})
    values: Mapping[str, Template] = opt(kinds.map_of(kinds.string, _template), {})

    def check(self, at: At) -> None:
        """A name and a path; values exactly where the metric is an object."""
        if plain_name(self.name) != self.name:
            at.get("name").fail(f"{self.name!r} is no metric name")
        if self.path is None:
            at.fail("a metric needs a path")
        if (self.type == "object") != bool(self.values):
            at.fail("values belong to the type object, and only there")
        for name in self.values:
            if plain_name(f"x{name}") != f"x{name}":
                at.get("values").fail(f"{name!r} can't end a metric name")


@record
class Body(Section):
    """What is sent: the request is a POST then."""

    content: str = opt(kinds.string, "")
    templatize: bool = opt(kinds.boolean, False)

    def check(self, at: At) -> None:
        """Templates are not there."""
        if self.templatize:
            at.get("templatize").fail("bodies made by templates are not supported")


@record
class Module(Section):
    """One way to ask, and what to make of the answer."""

    metrics: tuple[Metric, ...] = opt(sections(Metric, "a metric that is nothing"), ())
    headers: Mapping[str, str] = opt(kinds.map_of(kinds.header_value, kinds.header_value), {})
    http_client_config: HttpClientConfig = opt(section(HttpClientConfig), HttpClientConfig())
    body: Body | None = opt(maybe(Body), None)
    valid_status_codes: tuple[int, ...] = opt(kinds.list_of(kinds.unsigned), ())
    body_size_limit: int = opt(kinds.size, 16 << 20)


@record
class ModulesFile(Section):
    """Modules by name."""

    modules: Mapping[str, Module] = opt(kinds.map_of(kinds.string, section(Module)), {})

    def check(self, at: At) -> None:
        """At least one module."""
        if not self.modules:
            at.fail("there are no modules")


def load(path: str) -> Mapping[str, Module]:
    """The modules of a file. Raises ConfigError with file, line, column and field."""
    return ModulesFile.read(parse(read_text(path), path)).modules

"""Attributes as label columns: of data points, of their resources and scopes.

A key and a value become text once for each distinct one of a request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.config.otlp import OTLPConfig
from promlab.model.labels import Codes, Symbols, too_many_names
from promlab.model.slices import distinct_slices
from promlab.model.wire import BadMessage, Decoded
from promlab.remote.otlp.any_value import any_text
from promlab.remote.otlp.names import Style, label_name

Columns = dict[str, Codes]
Index = npt.NDArray[np.int64]
NAMESPACE, NAME, INSTANCE = "service.namespace", "service.name", "service.instance.id"
IDENTIFYING = (NAMESPACE, NAME, INSTANCE)


def attribute_columns(
    body: Decoded, message: str, n: int, symbols: Symbols, rename: Callable[[str], str]
) -> Columns:
    """A column over the n owners of the attributes `message_attribute` for each label.

    Attributes that become the same label are joined by a semicolon, in the order of their keys.
    """
    field = f"{message}_attribute"
    pairs = body.count(f"{message}.attribute")
    owner = body.field(f"{message}.attribute").owners.astype(np.int64)
    keys, key_of = _texts(body, f"{field}.key", pairs, lambda raw: raw.decode())
    values, value_of = _texts(body, f"{field}.value", pairs, any_text)
    labels = [rename(key) for key in keys]
    names = sorted({label for label in labels if label})
    if too_many_names(len(names), n):
        raise BadMessage(f"{len(names):,} different attributes in one request are too many")
    place = {name: i for i, name in enumerate(names)}
    column = np.array([place.get(label, -1) for label in labels], np.int64)[key_of]
    codes = symbols.codes(values)[value_of]
    cells = np.zeros((len(names), n), np.uint32)
    mine = column >= 0
    cells[column[mine], owner[mine]] = codes[mine]
    _join_clashes(cells, column, owner, mine, codes, [keys[i] for i in key_of.tolist()], symbols)
    return dict(zip(names, cells, strict=True))


def _join_clashes(
    cells: Codes,
    column: Index,
    owner: Index,
    mine: npt.NDArray[np.bool_],
    codes: Codes,
    keys: list[str],
    symbols: Symbols,
) -> None:
    order = np.lexsort((owner, column))
    order = order[mine[order]]
    same = (np.diff(column[order]) == 0) & (np.diff(owner[order]) == 0)
    if not same.any():
        return
    clashing: dict[tuple[int, int], list[int]] = {}
    for i in np.flatnonzero(same).tolist():
        cell = int(column[order[i]]), int(owner[order[i]])
        clashing.setdefault(cell, [int(order[i])]).append(int(order[i + 1]))
    for cell, pairs in clashing.items():
        texts = [symbols.text(int(codes[pair])) for pair in sorted(pairs, key=keys.__getitem__)]
        cells[cell] = symbols.code(";".join(texts))


def _texts(
    body: Decoded, field: str, n: int, read: Callable[[bytes], str]
) -> tuple[list[str], Index]:
    """Distinct texts of a field, and which each of the n messages around it has.

    The last text is "": what a message without the field has. Raises BadMessage.
    """
    found = body.field(field)
    ids, firsts = distinct_slices(body.body, found.starts, found.ends)
    raw = body.body.tobytes()
    bounds = zip(found.starts[firsts].tolist(), found.ends[firsts].tolist(), strict=True)
    try:
        texts = [read(raw[start:end]) for start, end in bounds]
    except UnicodeDecodeError:
        raise BadMessage(f"{field} is not valid UTF-8") from None
    which = np.full(n, len(texts), np.int64)
    which[found.owners] = ids
    return [*texts, ""], which


class Resources(NamedTuple):
    """Columns over the resources of a request."""

    raw: Columns  # by attribute
    job: Codes
    instance: Codes
    promoted: Columns  # by label
    informative: npt.NDArray[np.bool_]  # which have more than identifying attributes

    def info_labels(self, config: OTLPConfig, style: Style, symbols: Symbols) -> Columns:
        """Labels of each resource's `target_info`."""
        found: Columns = {}
        for key in sorted(self.raw):
            if config.keep_identifying_resource_attributes or key not in IDENTIFYING:
                _fill(found, label_name(key, style), self.raw[key])
        found["__name__"] = np.full(len(self.job), symbols.code("target_info"), np.uint32)
        return identified(found, self.job, self.instance)


def read_resources(body: Decoded, config: OTLPConfig, style: Style, symbols: Symbols) -> Resources:
    """The resources around the metrics of a request. Raises BadMessage."""
    n = body.count("request.resource")
    inner = body.count("resource_metrics.resource")
    own = attribute_columns(body, "resource", inner, symbols, lambda key: key)
    inside = body.inside("resource_metrics.resource", n)
    raw = {key: np.append(codes, np.uint32(0))[inside] for key, codes in own.items()}
    none = np.zeros(n, np.uint32)
    names, spaces = raw.get(NAME, none), raw.get(NAMESPACE, none)
    pairs, which = np.unique(np.stack([spaces, names], axis=1), axis=0, return_inverse=True)
    jobs = [_job(*symbols.texts(pair)) for pair in pairs]
    job = symbols.codes(jobs)[which.reshape(-1)] if n else none
    promoted: Columns = {}
    for key in sorted(raw):
        if _promotes(config, key):
            _fill(promoted, label_name(key, style), raw[key])
    informative = np.zeros(n, np.bool_)
    for key, codes in raw.items():
        if key not in IDENTIFYING:
            informative |= codes != 0
    return Resources(raw, job, raw.get(INSTANCE, none), promoted, informative)


def _job(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace and name else name


def _promotes(config: OTLPConfig, key: str) -> bool:
    if config.promote_all_resource_attributes:
        return key not in config.ignore_resource_attributes
    return key in config.promote_resource_attributes


def _fill(columns: Columns, name: str, codes: Codes) -> None:
    """Set a column where it is not set yet."""
    before = columns.get(name)
    columns[name] = codes if before is None else np.where(before != 0, before, codes)


def identified(columns: Columns, job: Codes, instance: Codes) -> Columns:
    """The columns with job and instance, where these are known."""
    for name, codes in (("job", job), ("instance", instance)):
        own = columns.get(name, np.zeros_like(codes))
        columns[name] = np.where(codes != 0, codes, own)
    return columns


def scope_columns(body: Decoded, style: Style, symbols: Symbols) -> Columns:
    """Labels of the scopes of a request: name, version, schema and attributes of each."""
    n, inner = body.count("resource_metrics.scope"), body.count("scope_metrics.scope")
    inside = body.inside("scope_metrics.scope", n)
    found = attribute_columns(
        body, "scope", inner, symbols, lambda key: label_name(f"otel_scope_{key}", style)
    )
    for label, field in (
        ("otel_scope_name", "scope.name"),
        ("otel_scope_version", "scope.version"),
    ):
        texts, which = _texts(body, field, inner, lambda raw: raw.decode())
        found[label] = symbols.codes(texts)[which]
    columns = {label: np.append(codes, np.uint32(0))[inside] for label, codes in found.items()}
    texts, which = _texts(body, "scope_metrics.schema_url", n, lambda raw: raw.decode())
    columns["otel_scope_schema_url"] = symbols.codes(texts)[which]
    return columns

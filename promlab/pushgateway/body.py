"""What was pushed: a body in text or protobuf, perhaps packed, as families of one group.

The labels of the group take the place of those in the body, and a metric without `instance`
gets an empty one, so that no scrape puts the gateway's own there.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import cramjam

from promlab.errors import ExpositionError, PromlabError
from promlab.exporters import protobuf_reader, text
from promlab.exporters.families import Family, LabelKey, Labels, label_key
from promlab.model.float_text import go_number
from promlab.web.http import BodyTooLarge

MAX_BYTES = 256 << 20
_FLOAT_LABELS = {"histogram": "le", "summary": "quantile"}
_PROTOBUF = "application/vnd.google.protobuf"
_FAMILY = "io.prometheus.client.metricfamily"


class BadBody(PromlabError):
    """A body that can't be read; nothing was stored."""


class Pushed(NamedTuple):
    """Families as they came; `stamped` tells whether a sample has a time of its own."""

    families: list[Family]
    stamped: bool


def unpacked(body: bytes, encoding: str) -> bytes:
    """The body without its Content-Encoding. Raises BadBody, BodyTooLarge."""
    if encoding == "gzip":
        try:
            packer = zlib.decompressobj(wbits=31)
            found = packer.decompress(body, MAX_BYTES)
        except zlib.error as error:
            raise BadBody(f"gzip: {error}") from None
        if packer.unconsumed_tail:
            raise BodyTooLarge(f"the body has more than {MAX_BYTES:,} bytes")
        if not packer.eof:
            raise BadBody("gzip: unexpected end of the body")
        return found
    if encoding == "snappy":
        return _unsnapped(body)
    return body


def _unsnapped(body: bytes) -> bytes:
    """Both of snappy's formats are met in the wild; the framed one has a mark."""
    try:
        if body.startswith(b"\xff\x06\x00\x00sNaPpY"):
            return bytes(cramjam.snappy.decompress(body))
        if cramjam.snappy.decompress_raw_len(body) > MAX_BYTES:
            raise BodyTooLarge(f"the body has more than {MAX_BYTES:,} bytes")
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise BadBody(f"snappy: {error}") from None


def read(body: bytes, content_type: str, *, utf8: bool) -> Pushed:
    """Families of a body, by its Content-Type; text if that says nothing. Raises BadBody."""
    media, _, parameters = content_type.lower().partition(";")
    try:
        if media.strip() == _PROTOBUF and _FAMILY in parameters and "delimited" in parameters:
            return Pushed(*protobuf_reader.read(body))
        found = text.read(body.decode(), utf8=utf8)
        return Pushed(found.families, bool(found.stamped))
    except UnicodeDecodeError as error:
        raise BadBody(f"the body is not valid UTF-8 at byte {error.start}") from None
    except ExpositionError as error:
        raise BadBody(f"parsing error: {error}") from None


def grouped(family: Family, group: LabelKey) -> Family:
    """A family with the labels of a group, each metric whole and in the usual order."""
    made = Family(family.name, family.type, family.help)
    float_label = _FLOAT_LABELS.get(family.type, "")
    metrics: dict[LabelKey, tuple[Labels, list[int]]] = {}
    for i, (_, labels, _) in enumerate(family.samples):
        key = label_key(labels, float_label)
        if float_label:
            # Samples of one histogram make one metric; of the others each is its own.
            metrics.setdefault(key, (_completed(dict(key), group), []))[1].append(i)
        else:
            _copy(family, i, made, family.name, _completed(labels, group))
    for labels, positions in metrics.values():
        if family.type == "histogram":
            _histogram(family, positions, made, labels)
        else:
            _summary(family, positions, made, labels)
    for key, created in family.created.items():
        made.created[label_key(_completed(dict(key), group))] = created
    for key, native in family.natives.items():
        made.natives[label_key(_completed(dict(key), group))] = native
    return made


def _completed(labels: Labels, group: LabelKey) -> Labels:
    found = {"instance": "", **labels, **dict(group)}
    return dict(sorted(found.items()))


def _copy(family: Family, i: int, made: Family, name: str, labels: Labels) -> None:
    if i in family.exemplars:
        made.exemplars[len(made.samples)] = family.exemplars[i]
    made.samples.append((name, labels, family.samples[i][2]))


def _histogram(family: Family, positions: list[int], made: Family, labels: Labels) -> None:
    total, count, infinite = 0.0, 0.0, False
    for i in positions:
        name, own, value = family.samples[i]
        if name.endswith("_bucket") and "le" in own:
            bound = float(own["le"])
            infinite |= bound == float("inf")
            _copy(family, i, made, f"{made.name}_bucket", {**labels, "le": go_number(bound)})
        elif name.endswith("_sum"):
            total = value
        elif name.endswith("_count"):
            count = value
    if not infinite:
        made.add(count, {**labels, "le": "+Inf"}, suffix="_bucket")
    made.add(total, labels, suffix="_sum")
    made.add(count, labels, suffix="_count")


def _summary(family: Family, positions: list[int], made: Family, labels: Labels) -> None:
    total, count = 0.0, 0.0
    for i in positions:
        name, own, value = family.samples[i]
        if "quantile" in own:
            quantile = go_number(float(own["quantile"]))
            _copy(family, i, made, made.name, {**labels, "quantile": quantile})
        elif name.endswith("_sum"):
            total = value
        elif name.endswith("_count"):
            count = value
    made.add(total, labels, suffix="_sum")
    made.add(count, labels, suffix="_count")

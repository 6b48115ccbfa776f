"""Grouping keys: the labels that a path names, as in `/metrics/job/backup/instance/db1`.

A value that a path can't hold (empty, or with a slash) comes in base64, behind `@base64`.
"""

from __future__ import annotations

import base64
import re

from promlab.errors import PromlabError
from promlab.exporters.families import LabelKey

_SUFFIX = "@base64"
_ALPHABET = re.compile(r"[A-Za-z0-9_-]*")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPED = re.compile(r"_([0-9a-fA-F]{1,6})_|__")


class BadGroup(PromlabError):
    """A path that names no group."""


def grouping_key(path: str, *, utf8: bool = False) -> LabelKey:
    """The labels of what follows `/metrics/`, sorted. Raises BadGroup.

    The job comes first and wins over a second one; of any other label the last one counts.
    """
    first, _, rest = path.partition("/")
    value, _, rest = rest.partition("/")
    if first == f"job{_SUFFIX}":
        try:
            value = _decoded(value)
        except ValueError as error:
            raise BadGroup(f"invalid base64 encoding in job name {value!r}: {error}") from None
    if not value:
        raise BadGroup("job name is required")
    labels = _labels(rest, utf8)
    labels["job"] = value
    return tuple(sorted(labels.items()))


def _labels(text: str, utf8: bool) -> dict[str, str]:
    parts = text.split("/") if text else []
    if len(parts) % 2:
        raise BadGroup(f"odd number of components in label string {'/' + text!r}")
    labels: dict[str, str] = {}
    for name, value in zip(parts[::2], parts[1::2], strict=True):
        if name.endswith(_SUFFIX):
            name = name.removesuffix(_SUFFIX)
            try:
                value = _decoded(value)
            except ValueError as error:
                raise BadGroup(
                    f"invalid base64 encoding for label {name}={value!r}: {error}"
                ) from None
        if utf8:
            name = unescape(name)
        if not is_label_name(name, utf8):
            raise BadGroup(f"improper label name {name!r}")
        labels[name] = value
    return labels


def is_label_name(name: str, utf8: bool) -> bool:
    """Whether a label may have this name; those with two underscores are Prometheus's own."""
    if not name or name.startswith("__"):
        return False
    return utf8 or _LABEL_NAME.fullmatch(name) is not None


def _decoded(text: str) -> str:
    """Text from base64 in the alphabet for URLs, padded or not."""
    bare = text.rstrip("=")
    good = _ALPHABET.match(bare)
    end = good.end() if good else 0
    if end < len(bare) or len(bare) % 4 == 1:
        at = end if end < len(bare) else len(bare) // 4 * 4
        raise ValueError(f"illegal base64 data at input byte {at}")
    try:
        return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4)).decode()
    except UnicodeDecodeError:
        raise ValueError("the value is not valid UTF-8") from None


def unescape(name: str) -> str:
    """A name whose unusual characters were written as `U__…_2e_…`."""
    if not name.startswith("U__"):
        return name

    def one(found: re.Match[str]) -> str:
        if found[1] is None:
            return "_"
        code = int(found[1], 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise BadGroup(f"improper label name {name!r}")
        return chr(code)

    return _ESCAPED.sub(one, name.removeprefix("U__"))

"""Relabelling of whole label tables.

Rules look at distinct values only: what reaches Python and the regular expression is each
different text once, however many series carry it. The rest is arrays of codes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from promlab.config.kinds import is_label_name
from promlab.config.relabel import RelabelConfig
from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import compile_regex

Rows = npt.NDArray[np.int64]
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")


def relabel(table: LabelTable, rules: Sequence[RelabelConfig]) -> tuple[LabelTable, Rows]:
    """Apply rules in order.

    Returns the table of what is kept, and for each of its rows its row in `table`.
    """
    rows = np.arange(table.n)
    for rule in rules:
        if table.n == 0:
            break
        table, kept = _ACTIONS[rule.action](table, rule)
        if kept is not None:
            rows = rows[kept]
    return table, rows


_Applied = tuple[LabelTable, "Rows | None"]


def sources(table: LabelTable, names: Sequence[str], separator: str) -> tuple[list[str], Rows]:
    """Distinct joined values of some labels, and for each row which of them it has."""
    if not names:
        return [""], np.zeros(table.n, np.int64)
    text = table.symbols.texts
    codes, inverse = np.unique(table.column(names[0]), return_inverse=True)
    joined, which = text(codes), inverse.astype(np.int64)
    for name in names[1:]:
        codes, inverse = np.unique(table.column(name), return_inverse=True)
        pairs, which = np.unique(which * len(codes) + inverse, return_inverse=True)
        right = text(codes)
        joined = [
            joined[p // len(right)] + separator + right[p % len(right)] for p in pairs.tolist()
        ]
    return joined, which


def _of(table: LabelTable, rule: RelabelConfig) -> tuple[list[str], Rows]:
    return sources(table, rule.source_labels, rule.separator)


@lru_cache(maxsize=4096)
def _template(text: str) -> tuple[str | tuple[str, int], ...]:
    """Parts of a replacement: literal text, or a group's name and number (-1 for a name)."""
    parts: list[str | tuple[str, int]] = []
    at = 0
    for found in _VARIABLE.finditer(text):
        if found.start() > at:
            parts.append(text[at : found.start()])
        name = found[1] or found[2]
        if name is None:
            parts.append("$")
        else:
            parts.append((name, int(name) if name.isdecimal() else -1))
        at = found.end()
    if at < len(text):
        parts.append(text[at:])
    return tuple(parts)


def expand(template: str, match: Any) -> str:
    """The replacement for a match: `$1`, `${1}`, `${name}`; `$$` is a dollar.

    A group that does not exist, or did not take part, gives nothing. The longest name counts:
    `$1x` is the group called `1x`.
    """
    out = []
    for part in _template(template):
        if isinstance(part, str):
            out.append(part)
            continue
        name, number = part
        if number < 0:
            number = match.re.groupindex.get(name, -1)
        if 0 <= number <= match.re.groups:
            out.append(match.group(number) or "")
    return "".join(out)


def _replace(table: LabelTable, rule: RelabelConfig) -> _Applied:
    texts, which = _of(table, rule)
    regex = compile_regex(rule.regex)
    # For each target label: which distinct source gives it which code.
    changes: dict[str, dict[int, int]] = {}
    for i, text in enumerate(texts):
        match = regex.fullmatch(text)
        if match is None:
            continue
        target = expand(rule.target_label, match)
        if is_label_name(target):
            code = table.symbols.code(expand(rule.replacement, match))
            changes.setdefault(target, {})[i] = code
    for target, by_source in changes.items():
        changed = np.zeros(len(texts), np.bool_)
        codes = np.zeros(len(texts), np.uint32)
        for i, code in by_source.items():
            changed[i], codes[i] = True, code
        old = table.column(target)
        table = table.replace(target, np.where(changed[which], codes[which], old))
    return table, None


def _filter(keep: bool) -> Callable[[LabelTable, RelabelConfig], _Applied]:
    def apply(table: LabelTable, rule: RelabelConfig) -> _Applied:
        texts, which = _of(table, rule)
        regex = compile_regex(rule.regex)
        passes = np.array([(regex.fullmatch(text) is not None) == keep for text in texts])
        return _only(table, passes[which])

    return apply


def _compare(keep: bool) -> Callable[[LabelTable, RelabelConfig], _Applied]:
    def apply(table: LabelTable, rule: RelabelConfig) -> _Applied:
        texts, which = _of(table, rule)
        # Without a code no label has this text; no code is that large.
        codes = np.array([_found(table.symbols, text) for text in texts], np.int64)
        equal = codes[which] == table.column(rule.target_label)
        return _only(table, equal if keep else ~equal)

    return apply


def _found(symbols: Symbols, text: str) -> int:
    code = symbols.find(text)
    return -1 if code is None else code


def _only(table: LabelTable, passes: npt.NDArray[np.bool_]) -> _Applied:
    if passes.all():
        return table, None
    kept = np.flatnonzero(passes)
    return table.take(kept), kept


def _computed(
    compute: Callable[[str, RelabelConfig], str],
) -> Callable[[LabelTable, RelabelConfig], _Applied]:
    def apply(table: LabelTable, rule: RelabelConfig) -> _Applied:
        texts, which = _of(table, rule)
        codes = table.symbols.codes(compute(text, rule) for text in texts)
        return table.replace(rule.target_label, codes[which]), None

    return apply


def _hashmod(text: str, rule: RelabelConfig) -> str:
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return str(int.from_bytes(digest[8:], "big") % rule.modulus)


def _by_letter(change: Callable[[str], str]) -> Callable[[str, RelabelConfig], str]:
    """Letter by letter, as Go does: letters whose other case is two letters stay."""

    def apply(text: str, rule: RelabelConfig) -> str:
        return "".join(new if len(new := change(old)) == 1 else old for old in text)

    return apply


def _labelmap(table: LabelTable, rule: RelabelConfig) -> _Applied:
    regex = compile_regex(rule.regex)
    before = table
    for name in sorted(before.columns):
        match = regex.fullmatch(name)
        if match is None:
            continue
        target = expand(rule.replacement, match)
        if target:
            codes = before.columns[name]
            table = table.replace(target, np.where(codes != 0, codes, table.column(target)))
    return table, None


def _by_name(keep: bool) -> Callable[[LabelTable, RelabelConfig], _Applied]:
    def apply(table: LabelTable, rule: RelabelConfig) -> _Applied:
        regex = compile_regex(rule.regex)
        return table.keep(
            [name for name in table.columns if (regex.fullmatch(name) is not None) == keep]
        ), None

    return apply


_ACTIONS: dict[str, Callable[[LabelTable, RelabelConfig], _Applied]] = {
    "replace": _replace,
    "keep": _filter(True),
    "drop": _filter(False),
    "keepequal": _compare(True),
    "dropequal": _compare(False),
    "hashmod": _computed(_hashmod),
    "labelmap": _labelmap,
    "labeldrop": _by_name(False),
    "labelkeep": _by_name(True),
    "lowercase": _computed(_by_letter(str.lower)),
    "uppercase": _computed(_by_letter(str.upper)),
}

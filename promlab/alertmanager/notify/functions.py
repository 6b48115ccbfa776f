"""The functions of notification templates, beyond those of every template."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote_plus

from promlab.alertmanager.notify.template_data import Strings
from promlab.templating import Function, FunctionError, List, Stringer, texts
from promlab.templating import humanize as humanize_module
from promlab.templating.html import SafeHtml, SafeUrl
from promlab.templating.printing import sprint
from promlab.templating.times import Duration, Time, in_zone
from promlab.templating.values import Functions

NowNs = Callable[[], int]
_WORD = re.compile(r"[\w']+")


def plain(value: Any) -> Any:
    """A template's value as JSON can hold it."""
    own = getattr(value, "plain", None)
    if own is not None:
        return own()
    if isinstance(value, Time):
        return value.rfc3339()
    if isinstance(value, dict):
        return {str(key): plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, Stringer) and not isinstance(value, int):
        return value.go_string()
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise FunctionError("json: unsupported type")


def to_json(value: Any) -> str:
    """JSON in one line, safe inside HTML, as Go prints it."""
    shown = json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        shown = shown.replace(char, f"\\u{ord(char):04x}")
    return shown


def _title(text: str) -> str:
    """Every word with one capital: unlike in Prometheus' templates, the rest is small."""
    return _WORD.sub(lambda found: found[0].capitalize(), text)


def _join(separator: str, parts: Sequence[str]) -> str:
    return separator.join(parts)


def _append(items: Sequence[Any], *more: Any) -> List:
    return List([*items, *more])


def _dict(*pairs: Any) -> dict[str, Any]:
    keys = [key if isinstance(key, str) else sprint((key,)) for key in pairs[::2]]
    values = [*pairs[1::2], *([""] if len(pairs) % 2 else [])]
    return dict(zip(keys, values, strict=True))


def _unescape(text: str) -> str:
    return unquote_plus(text, errors="replace")


_TIME = ("time.Time",)
_FIXED: Functions = {
    **{name: texts.FUNCTIONS[name] for name in ("toUpper", "toLower", "match")},
    "title": Function(_title, ("string",)),
    "reReplaceAll": texts.FUNCTIONS["reReplaceAll"],
    "trimSpace": Function(lambda text: text.strip(), ("string",)),
    "join": Function(_join, ("string", "[]string")),
    "safeHtml": Function(SafeHtml, ("string",)),
    "safeUrl": Function(SafeUrl, ("string",)),
    "urlUnescape": Function(_unescape, ("string",)),
    "stringSlice": Function(lambda *parts: Strings(parts), (), "string"),
    "date": Function(lambda layout, t: t.format(layout), ("string", *_TIME)),
    "tz": Function(in_zone, ("string", *_TIME)),
    "humanizeDuration": humanize_module.FUNCTIONS["humanizeDuration"],
    "toJson": Function(to_json, ("any",)),
    "list": Function(lambda *items: List(items), (), "any"),
    "append": Function(_append, ("[]interface {}",), "any"),
    "dict": Function(_dict, (), "any"),
}


def functions(now_ns: NowNs = time.time_ns) -> Functions:
    """All functions; `now_ns` is the clock that `now` and `since` show."""
    return {
        **_FIXED,
        "now": Function(lambda: Time(now_ns())),
        "since": Function(lambda t: Duration(now_ns() - t.ns), _TIME),
    }

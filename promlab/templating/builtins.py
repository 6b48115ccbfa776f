"""The functions that every template has, as in Go's text/template.

`and` and `or` are here by name only: the evaluation does not evaluate all their arguments.
"""

from __future__ import annotations

import itertools
from typing import Any

from promlab.templating import compare, escape, printing
from promlab.templating.errors import FunctionError
from promlab.templating.values import (
    Function,
    Functions,
    StringMap,
    truth,
    type_name,
)

MAX_TEXT = 1 << 20


def _index(value: Any, *keys: Any) -> Any:
    if value is None:
        raise FunctionError("index of untyped nil")
    for key in keys:
        value = _indexed(value, key)
    return value


def _indexed(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        if key is None:
            raise FunctionError("value is nil; should be of type string")
        if not isinstance(key, str):
            raise FunctionError(f"value has type {type_name(key)}; should be string")
        return value.get(key, "" if isinstance(value, StringMap) else None)
    if isinstance(value, (list, tuple)):
        return value[_position(key, len(value) - 1)]
    if isinstance(value, str):
        raw = value.encode()
        return raw[_position(key, len(raw) - 1)]
    if value is None:
        raise FunctionError("index of nil pointer")
    raise FunctionError(f"can't index item of type {type_name(value)}")


def _position(key: Any, last: int) -> int:
    if key is None:
        raise FunctionError("cannot index slice/array with nil")
    if not isinstance(key, int) or isinstance(key, bool):
        raise FunctionError(f"cannot index slice/array with type {type_name(key)}")
    if not 0 <= key <= last:
        raise FunctionError(f"index out of range: {key}")
    return key


def _slice(value: Any, *bounds: Any) -> Any:
    if value is None:
        raise FunctionError("slice of untyped nil")
    if len(bounds) > 3:
        raise FunctionError(f"too many slice indexes: {len(bounds)}")
    if not isinstance(value, (str, list, tuple)):
        raise FunctionError(f"can't slice item of type {type_name(value)}")
    if isinstance(value, str) and len(bounds) == 3:
        raise FunctionError("cannot 3-index slice a string")
    whole = value.encode() if isinstance(value, str) else value
    places = [_position(bound, len(whole)) for bound in bounds]
    for low, high in itertools.pairwise(places):
        if low > high:
            raise FunctionError(f"invalid slice index: {low} > {high}")
    low, high = (*places[:2], *(0, len(whole))[len(places[:2]) :])
    cut = whole[low:high]
    return cut.decode(errors="replace") if isinstance(cut, bytes) else cut


def _len(value: Any) -> int:
    if value is None:
        raise FunctionError("len of nil pointer")
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, (dict, list, tuple)):
        return len(value)
    raise FunctionError(f"len of type {type_name(value)}")


def _call(function: Any, *args: Any) -> Any:
    if not isinstance(function, Function):
        raise FunctionError(f"non-function of type {type_name(function)}")
    wanted = len(function.kinds)
    if len(args) < wanted or (len(args) > wanted and not function.variadic):
        raise FunctionError(f"wrong number of args: got {len(args)} want {wanted}")
    for i, (arg, kind) in enumerate(zip(args, function.kinds, strict=False)):
        if kind != "any" and kind != type_name(arg).removesuffix("64"):
            raise FunctionError(f"arg {i}: value has type {type_name(arg)}; should be {kind}")
    return function.call(*args)


def _printf(layout: str, *args: Any) -> str:
    return printing.sprintf(layout, args, MAX_TEXT)


def _never(*_args: Any) -> Any:
    raise AssertionError("and/or are evaluated by the evaluation itself")


def _any(call: Any, count: int = 0, variadic: str = "any") -> Function:
    return Function(call, ("any",) * count, variadic)


BUILTINS: Functions = {
    "and": _any(_never, 1),
    "or": _any(_never, 1),
    "not": _any(lambda value: not truth(value), 1, ""),
    "call": _any(_call, 1),
    "eq": _any(compare.equal, 1),
    "ne": _any(compare.not_equal, 2, ""),
    "lt": _any(compare.less, 2, ""),
    "le": _any(compare.less_or_equal, 2, ""),
    "gt": _any(compare.greater, 2, ""),
    "ge": _any(compare.greater_or_equal, 2, ""),
    "html": _any(lambda *args: escape.html(printing.sprint(args))),
    "js": _any(lambda *args: escape.js(printing.sprint(args))),
    "urlquery": _any(lambda *args: escape.url_query(printing.sprint(args))),
    "index": _any(_index, 1),
    "slice": _any(_slice, 1),
    "len": _any(_len, 1, ""),
    "print": _any(lambda *args: printing.sprint(args)),
    "println": _any(lambda *args: printing.sprintln(args)),
    "printf": Function(_printf, ("string",), "any"),
}

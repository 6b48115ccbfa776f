"""Values made safe for where they stand in an HTML text, as Go's html/template does it.

`HtmlEscaper` follows the HTML while it is printed: it knows whether a value stands between
tags, in a tag, in an attribute (and of which kind), in a script or in a style. `SafeHtml` and
`SafeUrl` are texts that their author vouches for. HTML comments of the template are dropped.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

from promlab.templating import escape
from promlab.templating.values import Struct, is_number

_BLOCKED = "ZgotmplZ"
_COMMENTS = {"//": "\n", "/*": "*/"}  # of scripts: how they begin and end
_RAW_TEXT = ("script", "style")
_ESCAPED_TEXT = ("textarea", "title")
_URLS = frozenset(
    [
        "action",
        "background",
        "cite",
        "classid",
        "codebase",
        "data",
        "formaction",
        "href",
        "icon",
        "longdesc",
        "manifest",
        "poster",
        "profile",
        "src",
        "usemap",
        "xlink:href",
    ]
)
_TAG_NAME = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]*)")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_CSS_PLAIN = re.compile(r"[ !#%,\-.0-9A-Z_a-z]*", re.ASCII)
_ATTRIBUTE = re.compile(r"\s*([^\s=>\"'/]+)")
# What stays in a URL (what is encoded already, too), and what is encoded.
_URL_PART = re.compile(r"((?:%[0-9A-Fa-f]{2}|[A-Za-z0-9._~!#$&*+,/:;=?@\[\]-])+)|.", re.S)
_STRAY = re.compile(r"<(?!!doctype)", re.I)
_UNQUOTED = {char: f"&#{ord(char)};" for char in " \t\n\r\f\v=`"}
_PLUS = {"+": "&#43;"}


class SafeHtml(str):
    """HTML that its author vouches for."""

    __slots__ = ()


class SafeUrl(str):
    """A URL that its author vouches for."""

    __slots__ = ()


class HtmlEscaper:
    """Where in an HTML text the output stands; one object an execution."""

    def __init__(self) -> None:
        self._where = "text"  # text, comment, tag, name, before, value, raw
        self._element = ""
        self._closing = False
        self._attribute = ""
        self._quote = ""
        self._value = ""
        self._script_quote = ""

    def literal(self, text: str) -> str:
        """The template's own text; comments vanish."""
        kept, at = [], 0
        while at < len(text):
            step = getattr(self, f"_in_{self._where}")
            end, shown = step(text, at)
            kept.append(shown)
            at = end
        return "".join(kept)

    # What the template's own text does to the state: each gives the new offset and the text.

    def _in_text(self, text: str, at: int) -> tuple[int, str]:
        if text.startswith("<!--", at):
            self._where = "comment"
            return at + 4, ""
        found = _TAG_NAME.match(text, at)
        if found:
            self._where, self._closing = "tag", bool(found[1])
            self._element = found[2].lower()
            return found.end(), found[0]
        end = text.find("<", at + 1)
        end = len(text) if end < 0 else end
        # One that opens no tag would open one with what a value puts behind it.
        return end, _STRAY.sub("&lt;", text[at:end])

    def _in_comment(self, text: str, at: int) -> tuple[int, str]:
        end = text.find("-->", at)
        if end < 0:
            return len(text), ""
        self._where = "text"
        return end + 3, ""

    def _in_tag(self, text: str, at: int) -> tuple[int, str]:
        char = text[at]
        if char == ">":
            raw = self._element in _RAW_TEXT and not self._closing
            self._where = "raw" if raw else "text"
            self._script_quote = ""
            return at + 1, ">"
        found = _ATTRIBUTE.match(text, at)
        if found:
            self._where, self._attribute = "name", found[1].lower()
            return found.end(), found[0]
        return at + 1, char

    def _in_name(self, text: str, at: int) -> tuple[int, str]:
        if text[at].isspace():
            return at + 1, text[at]
        if text[at] == "=":
            self._where = "before"
            return at + 1, "="
        self._where = "tag"
        return at, ""

    def _in_before(self, text: str, at: int) -> tuple[int, str]:
        char = text[at]
        if char.isspace():
            return at + 1, char
        self._where, self._value = "value", ""
        self._quote = char if char in "\"'" else ""
        self._script_quote = ""
        return (at + 1, char) if self._quote else (at, "")

    def _in_value(self, text: str, at: int) -> tuple[int, str]:
        end = at
        while end < len(text):
            char = text[end]
            if char == self._quote or (not self._quote and (char.isspace() or char == ">")):
                self._value += text[at:end]
                self._follow_script(text[at:end])
                self._where = "tag"
                return end + len(self._quote), text[at : end + len(self._quote)]
            end += 1
        self._value += text[at:]
        self._follow_script(text[at:])
        return end, text[at:]

    def _in_raw(self, text: str, at: int) -> tuple[int, str]:
        end = text.lower().find(f"</{self._element}", at)
        stop = len(text) if end < 0 else end
        if end >= 0:
            self._where = "text"
        self._follow_script(text[at:stop])
        return stop, text[at:stop]

    def _follow_script(self, text: str) -> None:
        """Whether a script's string or comment is open after this text."""
        at = 0
        while at < len(text):
            pair, open_ = text[at : at + 2], self._script_quote
            if open_ in _COMMENTS:
                if pair.startswith(_COMMENTS[open_]):
                    self._script_quote, at = "", at + len(_COMMENTS[open_]) - 1
            elif open_:
                if text[at] == "\\":
                    at += 1
                elif text[at] == open_:
                    self._script_quote = ""
            elif pair in _COMMENTS:
                self._script_quote, at = pair, at + 1
            elif text[at] in "\"'`":
                self._script_quote = text[at]
            at += 1

    def value(self, value: Any, text: str) -> str:
        """A value of the template, safe where it stands now."""
        match self._where:
            case "text":
                if isinstance(value, SafeHtml) and self._element not in _ESCAPED_TEXT:
                    return self.literal(str(value))
                return _html(text)
            case "comment":
                return ""
            case "raw":
                return self._css(text) if self._element == "style" else self._script(value, text)
            case "before":
                self._where, self._value, self._quote = "value", "", ""
        if self._where == "value":
            return self._in_attribute(value, text)
        return text if _is_plain_name(text) else _BLOCKED

    def _in_attribute(self, value: Any, text: str) -> str:
        name = self._attribute
        if name in _URLS:
            shown = self._url(value, text)
        elif name == "style":
            shown = self._css(text)
        elif name.startswith("on"):
            shown = self._script(value, text)
        else:
            shown = text
        self._value += text
        shown = _html(shown)
        return shown if self._quote else "".join(_UNQUOTED.get(char, char) for char in shown)

    def _url(self, value: Any, text: str) -> str:
        if "?" in self._value or "#" in self._value:
            return _lower_hex(quote(text, safe="-._~"))
        scheme = _SCHEME.match(text)
        vouched = isinstance(value, SafeUrl)
        if not self._value and scheme and not vouched:
            allowed = scheme[0].lower() in ("http:", "https:", "mailto:")
            if not allowed:
                return "#" + _BLOCKED
        return _URL_PART.sub(lambda found: found[1] or _lower_hex(quote(found[0], safe="")), text)

    def _css(self, text: str) -> str:
        plain = _CSS_PLAIN.fullmatch(text) is not None
        return text if plain and "expression" not in text.lower() else _BLOCKED

    def _script(self, value: Any, text: str) -> str:
        if self._script_quote in _COMMENTS:
            return ""
        if self._script_quote:
            return _js_text(text)
        if isinstance(value, bool) or is_number(value):
            return f" {text} "  # so that it grows together with nothing
        plain = value if isinstance(value, (dict, list, Struct)) else text
        if hasattr(value, "go_string"):
            plain = text
        return _json(plain)


def _is_plain_name(text: str) -> bool:
    """Whether a value may stand in a tag: as a name that makes no script, style or URL."""
    name = text.lower()
    special = name.startswith("on") or name in ("style", "srcset") or name in _URLS
    return not special and re.fullmatch(r"[a-z0-9-]+", name) is not None


def _html(text: str) -> str:
    return escape.html(text).replace("+", _PLUS["+"])


def _lower_hex(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), text)


def _js_text(text: str) -> str:
    return "".join(
        char if char.isalnum() or char in " _.,;!?()[]{}:@#$%^*~" else f"\\u{ord(char):04x}"
        for char in text
    )


def _plain(value: Any) -> Any:
    """The value in what JSON has; whole numbers without a point, as Go prints them."""
    if isinstance(value, Struct):
        return {name: _plain(field) for name, field in value.template_fields().items()}
    if isinstance(value, dict):
        return {str(key): _plain(field) for key, field in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _json(value: Any) -> str:
    shown = json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"), default=str)
    for char in "<>&'":
        shown = shown.replace(char, f"\\u{ord(char):04x}")
    return shown

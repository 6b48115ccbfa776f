"""Answers of others, read with care.

An `Answer` is a JSON value and the path to it. What is missing or null reads as nothing; what is
of another kind than asked for raises DiscoveryError, which says where in the answer it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import msgspec

from promlab.errors import DiscoveryError

_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false"}


class Answer:
    """A JSON value at a path."""

    __slots__ = ("path", "value")

    def __init__(self, value: Any, path: str = "$") -> None:
        self.value, self.path = value, path

    @classmethod
    def parse(cls, body: bytes, what: str) -> Answer:
        """The JSON value of a body. Raises DiscoveryError if it is none."""
        try:
            return cls(msgspec.json.decode(body))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise DiscoveryError(f"{what}: not valid JSON: {error}") from None

    def __bool__(self) -> bool:
        return self.value is not None

    def at(self, *keys: str) -> Answer:
        """The value at a path of keys; nothing where one of them is missing."""
        value = self.value
        for i, key in enumerate(keys):
            if value is None:
                return Answer(None, f"{self.path}.{'.'.join(keys)}")
            if type(value) is not dict:
                Answer(value, ".".join((self.path, *keys[:i]))).expected("an object")
            value = value.get(key)
        return Answer(value, ".".join((self.path, *keys)) if keys else self.path)

    def value_at(self, *keys: str) -> Any:
        """The raw value at a path of keys; None where one of them is missing."""
        return self.at(*keys).value

    def expected(self, what: str) -> NoReturn:
        """Refuse this value."""
        kind = "a number" if isinstance(self.value, int | float) else "something else"
        found = _KINDS.get(type(self.value), kind)
        raise DiscoveryError(f"unexpected answer: {self.path}: expected {what}, found {found}")

    def text(self, *keys: str) -> str:
        """The text there; "" if there is none."""
        found = self.at(*keys)
        if found.value is None:
            return ""
        if type(found.value) is not str:
            found.expected("text")
        return str(found.value)

    def shown(self, *keys: str) -> str:
        """Text, number or truth value there, as text; "" if there is none."""
        found = self.at(*keys)
        value = found.value
        if value is None:
            return ""
        if type(value) is bool:
            return "true" if value else "false"
        if type(value) is float:
            return f"{value:.0f}" if value.is_integer() else f"{value!r}"
        if type(value) not in (str, int):
            found.expected("text or a number")
        return str(value)

    def whole(self, *keys: str) -> int:
        """The whole number there; 0 if there is none."""
        found = self.at(*keys)
        if found.value is None:
            return 0
        if type(found.value) is not int:
            found.expected("a whole number")
        return int(found.value)

    def number(self, *keys: str) -> float:
        """The number there; 0 if there is none."""
        found = self.at(*keys)
        if found.value is None:
            return 0.0
        if type(found.value) not in (int, float):
            found.expected("a number")
        return float(found.value)

    def flag(self, *keys: str) -> bool:
        """The truth value there; False if there is none."""
        found = self.at(*keys)
        if found.value is not None and type(found.value) is not bool:
            found.expected("true or false")
        return bool(found.value)

    def items(self, *keys: str) -> list[Answer]:
        """The elements of the list there."""
        found = self.at(*keys)
        if found.value is None:
            return []
        if type(found.value) is not list:
            found.expected("a list")
        return [Answer(item, f"{found.path}[{i}]") for i, item in enumerate(found.value)]

    def needed_items(self, key: str) -> list[Answer]:
        """The elements of a list that must be there: an answer without it is about nothing."""
        if type(self.value) is dict and key not in self.value:
            raise DiscoveryError(f"unexpected answer: {self.path} has no {key!r}")
        return self.items(key)

    def entries(self, *keys: str) -> Iterator[tuple[str, Answer]]:
        """Keys and values of the object there."""
        found = self.at(*keys)
        if found.value is None:
            return
        if type(found.value) is not dict:
            found.expected("an object")
        for key, value in found.value.items():
            yield key, Answer(value, f"{found.path}.{key}")

    def texts(self, *keys: str) -> list[str]:
        """The texts of the list there."""
        return [item.text() for item in self.items(*keys)]

    def labels(self, *keys: str) -> dict[str, str]:
        """The object of texts there."""
        return {key: value.text() for key, value in self.entries(*keys)}

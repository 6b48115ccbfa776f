"""What all kinds of receivers share: configuration, the notifier's shape, cutting long texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec

from promlab.alertmanager.config import kinds as own
from promlab.alertmanager.receivers.client import JSON, Answer, Client, check, read_secret
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.http_client import HttpClientConfig
from promlab.config.kinds import Kind
from promlab.config.secret import Secret
from promlab.config.section import Section, maybe, opt, record

if TYPE_CHECKING:
    from promlab.alertmanager.config.global_ import GlobalConfig
    from promlab.alertmanager.notify.notice import Notice

_HTTP: Kind[HttpClientConfig | None] = maybe(HttpClientConfig)


@record
class Integration(Section):
    """The configuration of one integration of a receiver."""

    timeout_field: ClassVar[str] = ""

    send_resolved: bool = opt(kinds.boolean, True, always=True)
    http_config: HttpClientConfig | None = opt(_HTTP, None)

    def settled(self, base: GlobalConfig, at: At) -> Self:
        """The same with what `global` gives; refuses what then lacks. Raises ConfigError."""
        return self._with_http(base, **self._from_global(base, at))

    def _from_global(self, base: GlobalConfig, at: At) -> Mapping[str, Any]:
        return {}

    def _with_http(self, base: GlobalConfig, **changed: Any) -> Self:
        if self.http_config is None and any(f.name == "http_config" for f in fields(self)):
            changed["http_config"] = base.http_config
        return replace(self, **changed)

    @property
    def timeout_limit_s(self) -> float:
        """Longest time that one attempt may take; 0: no limit of its own."""
        return float(getattr(self, "timeout_s", 0.0))

    def notifier(self, client: Client) -> Notifier:
        """What sends notifications as this configuration says."""
        raise NotImplementedError(type(self).__name__)


class Notifier:
    """Sends notifications of one integration."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def notify(self, notice: Notice) -> None:
        """Send one. Raises NotifyError."""
        raise NotImplementedError(type(self).__name__)

    async def post(
        self,
        url: str,
        payload: Any,
        *,
        headers: Mapping[str, str] | None = None,
        retry: tuple[int, ...] = (),
        method: str = "POST",
    ) -> Answer:
        """Send JSON; a bad status is an error."""
        body = msgspec.json.encode(payload)
        answer = await self.client.request(
            method, url, body=body, headers={**JSON, **(headers or {})}
        )
        check(answer, retry)
        return answer


async def secret_or_file(secret: Secret, path: str) -> str:
    """A secret, or what the file in its place holds. Raises NotifyError."""
    return await read_secret(path) if path else secret.reveal()


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, the last of them an ellipsis if anything was cut."""
    if len(text) <= limit:
        return text
    return text[:limit] if limit <= 3 else text[: limit - 1] + "…"


def cut_bytes(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, ending with an ellipsis if anything was cut."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    return raw[: limit - 3].decode("utf-8", "ignore") + "…"


def both(at: At, section: Integration, *names: str) -> None:
    """Refuse a section in which more than one of the fields is set."""
    from promlab.config.http_client import at_most_one

    at_most_one(at, **{name: getattr(section, name) for name in names})


def inherited(
    section: Integration, base: GlobalConfig, value: str, file: str, base_value: str, base_file: str
) -> dict[str, Any]:
    """A secret or its file: the section's own, or else `global`'s."""
    if getattr(section, value) or getattr(section, file):
        return {}
    return {value: getattr(base, base_value), file: getattr(base, base_file)}


def template(text: str, *, always: bool = True) -> str:
    """A field that holds a template."""
    return opt(kinds.string, text, always=always and bool(text))


def secret() -> Secret:
    """A field that holds a secret."""
    return opt(kinds.secret, own.NO_SECRET)


def secret_url() -> Secret:
    """A field that holds a URL which is a secret too."""
    return opt(own.secret_url, own.NO_SECRET)


def path() -> str:
    """A field that names a file."""
    return opt(kinds.path, "")

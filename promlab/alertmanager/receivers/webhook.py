"""Webhooks: the notification as JSON, to any URL."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from promlab.alertmanager.config import kinds as own
from promlab.alertmanager.notify.functions import functions
from promlab.alertmanager.receivers.base import (
    Integration,
    Notifier,
    both,
    path,
    secret_or_file,
)
from promlab.alertmanager.receivers.client import Client
from promlab.alertmanager.receivers.errors import NotifyError
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.kinds import Kind
from promlab.config.secret import Secret
from promlab.config.section import opt, record
from promlab.templating import TemplateSyntaxError
from promlab.templating.builtins import BUILTINS
from promlab.templating.parser import parse

if TYPE_CHECKING:
    from promlab.alertmanager.notify.notice import Notice

# May be a template, so that it is checked when it is used.
_URL: Kind[Secret] = Kind(lambda at: Secret(at.text()), str, own.NO_SECRET)


@record
class WebhookConfig(Integration):
    """webhook_configs."""

    url: Secret = opt(_URL, own.NO_SECRET)
    url_file: str = path()
    max_alerts: int = opt(kinds.unsigned, 0, always=True)
    timeout_s: float = opt(own.timeout, 0.0, key="timeout", always=True)
    payload: Any = opt(own.anything, None)

    def check(self, at: At) -> None:
        """One URL."""
        both(at, self, "url", "url_file")
        if not self.url and not self.url_file:
            at.fail("one of url or url_file must be configured")
        text = self.url.reveal()
        if "{{" in text:
            try:
                parse("", text, {**BUILTINS, **functions()})
            except TemplateSyntaxError as error:
                at.get("url").fail(f"invalid template syntax: {error}")
        elif text and text != "<secret>":
            own.absolute_url(at.get("url"))

    def notifier(self, client: Client) -> Notifier:
        """Posts to the URL."""
        return WebhookNotifier(self, client)


class WebhookNotifier(Notifier):
    """Posts the notification."""

    version = "4"

    def __init__(self, config: WebhookConfig, client: Client) -> None:
        super().__init__(client)
        self._config = config

    async def notify(self, notice: Notice) -> None:
        """Post once."""
        url = notice.exact(await secret_or_file(self._config.url, self._config.url_file))
        if not url.startswith(("http://", "https://")):
            raise NotifyError("the URL of the webhook is not an http or https URL")
        payload: Any
        if self._config.payload is None:
            payload = message(notice, self._config.max_alerts, self.version)
        else:
            payload = expanded(self._config.payload, notice)
        await self.post(url, payload)


def message(notice: Notice, max_alerts: int, version: str) -> dict[str, Any]:
    """The body: all of the notification's data, and at most `max_alerts` alerts (0: all)."""
    truncated = max(0, len(notice.alerts) - max_alerts) if max_alerts else 0
    if truncated:
        # What is common is then common to those that are left.
        notice = replace(notice, alerts=notice.alerts[:max_alerts])
    return {
        **notice.data.plain(),
        "version": version,
        "groupKey": notice.group.key,
        "truncatedAlerts": truncated,
    }


def expanded(value: Any, notice: Notice) -> Any:
    """A structure with every text in it expanded; what then is JSON becomes what it says."""
    if isinstance(value, str):
        text = notice.text(value)
        return as_json(text) if "{{" in value else text
    if isinstance(value, dict):
        return {notice.text(key): expanded(each, notice) for key, each in value.items()}
    if isinstance(value, list):
        return [expanded(each, notice) for each in value]
    return value


def as_json(text: str) -> Any:
    """What a text says if it is JSON, else the text."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text

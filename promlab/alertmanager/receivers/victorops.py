"""VictorOps, now Splunk On-Call: one incident a group, which later messages change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from promlab.alertmanager.config import kinds as own
from promlab.alertmanager.receivers.base import (
    Integration,
    Notifier,
    both,
    cut,
    inherited,
    path,
    secret,
    secret_or_file,
    template,
)
from promlab.alertmanager.receivers.client import Client
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.secret import Secret
from promlab.config.section import opt, record

if TYPE_CHECKING:
    from promlab.alertmanager.config.global_ import GlobalConfig
    from promlab.alertmanager.notify.notice import Notice

MAX_MESSAGE = 20_480
_TYPES = ("INFO", "WARNING", "CRITICAL")
_FIXED = (
    "routing_key", "message_type", "state_message", "entity_display_name", "monitoring_tool",
    "entity_id", "entity_state",
)  # fmt: skip


@record
class VictorOpsConfig(Integration):
    """victorops_configs."""

    api_key: Secret = secret()
    api_key_file: str = path()
    api_url: str = opt(own.absolute_url, "")
    routing_key: str = opt(kinds.string, "")
    message_type: str = template("CRITICAL")
    state_message: str = template('{{ template "victorops.default.state_message" . }}')
    entity_display_name: str = template('{{ template "victorops.default.entity_display_name" . }}')
    monitoring_tool: str = template('{{ template "victorops.default.monitoring_tool" . }}')
    custom_fields: Mapping[str, str] = opt(own.templates, {})

    def check(self, at: At) -> None:
        """A routing key; custom fields that are really custom."""
        both(at, self, "api_key", "api_key_file")
        if not self.routing_key:
            at.fail("missing Routing key in VictorOps config")
        for name in self.custom_fields:
            if name in _FIXED:
                at.get("custom_fields").fail(
                    f"victorOps config contains custom field {name} which cannot be used as it "
                    "conflicts with the fixed/static fields"
                )

    def _from_global(self, base: GlobalConfig, at: At) -> Mapping[str, Any]:
        changed = inherited(
            self, base, "api_key", "api_key_file", "victorops_api_key", "victorops_api_key_file"
        )
        if changed and not any(changed.values()):
            at.fail("no global VictorOps API Key set")
        url = self.api_url or base.victorops_api_url
        return {**changed, "api_url": url.rstrip("/") + "/"}

    def notifier(self, client: Client) -> Notifier:
        """Posts to the REST endpoint."""
        return VictorOpsNotifier(self, client)


class VictorOpsNotifier(Notifier):
    """Posts the state of a group."""

    def __init__(self, config: VictorOpsConfig, client: Client) -> None:
        super().__init__(client)
        self._config = config

    async def notify(self, notice: Notice) -> None:
        """Post once."""
        config = self._config
        key = await secret_or_file(config.api_key, config.api_key_file)
        routing = notice.exact(config.routing_key)
        url = f"{config.api_url}{quote(key, safe='')}/{quote(routing, safe='')}"
        await self.post(url, self.payload(notice), retry=(429,))

    def payload(self, notice: Notice) -> dict[str, Any]:
        """The message."""
        config, text = self._config, notice.text
        kind = text(config.message_type)
        return {
            **{name: text(value) for name, value in config.custom_fields.items()},
            "message_type": "RECOVERY" if not notice.firing
            else kind if kind in _TYPES else "CRITICAL",
            "entity_id": notice.key_hash,
            "entity_display_name": text(config.entity_display_name),
            "state_message": cut(text(config.state_message), MAX_MESSAGE),
            "monitoring_tool": text(config.monitoring_tool),
        }  # fmt: skip

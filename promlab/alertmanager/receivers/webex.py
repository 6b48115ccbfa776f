"""Webex: a Markdown message in a room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from promlab.alertmanager.config import kinds as own
from promlab.alertmanager.receivers.base import Integration, Notifier, cut_bytes, template
from promlab.alertmanager.receivers.client import Client
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.section import opt, record

if TYPE_CHECKING:
    from promlab.alertmanager.config.global_ import GlobalConfig
    from promlab.alertmanager.notify.notice import Notice

MAX_BYTES = 7439


@record
class WebexConfig(Integration):
    """webex_configs."""

    api_url: str = opt(own.absolute_url, "")
    message: str = template('{{ template "webex.default.message" . }}')
    room_id: str = opt(kinds.string, "")

    def check(self, at: At) -> None:
        """A room, and who we are."""
        if not self.room_id:
            at.fail("missing room_id on webex_config")
        if self.http_config is None or self.http_config.bearer is None:
            at.fail("missing webex_configs.http_config.authorization")

    def _from_global(self, base: GlobalConfig, at: At) -> Mapping[str, Any]:
        return {"api_url": self.api_url or base.webex_api_url}

    def notifier(self, client: Client) -> Notifier:
        """Posts messages."""
        return WebexNotifier(self, client)


class WebexNotifier(Notifier):
    """Posts messages."""

    def __init__(self, config: WebexConfig, client: Client) -> None:
        super().__init__(client)
        self._config = config

    async def notify(self, notice: Notice) -> None:
        """Post once."""
        payload = {
            "markdown": cut_bytes(notice.text(self._config.message), MAX_BYTES),
            "roomId": notice.exact(self._config.room_id),
        }
        await self.post(self._config.api_url, payload, retry=(429,))

"""Microsoft Teams by a workflow: an adaptive card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promlab.alertmanager.receivers.base import (
    Integration,
    Notifier,
    path,
    secret_or_file,
    secret_url,
    template,
)
from promlab.alertmanager.receivers.client import Client
from promlab.alertmanager.receivers.discord import check_webhook_url
from promlab.config.document import At
from promlab.config.secret import Secret
from promlab.config.section import record

if TYPE_CHECKING:
    from promlab.alertmanager.notify.notice import Notice


@record
class MSTeamsV2Config(Integration):
    """msteamsv2_configs."""

    webhook_url: Secret = secret_url()
    webhook_url_file: str = path()
    title: str = template('{{ template "msteamsv2.default.title" . }}')
    text: str = template('{{ template "msteamsv2.default.text" . }}')

    def check(self, at: At) -> None:
        """A URL."""
        check_webhook_url(self, at)

    def notifier(self, client: Client) -> Notifier:
        """Posts to the workflow."""
        return MSTeamsV2Notifier(self, client)


class MSTeamsV2Notifier(Notifier):
    """Posts cards."""

    def __init__(self, config: MSTeamsV2Config, client: Client) -> None:
        super().__init__(client)
        self._config = config

    async def notify(self, notice: Notice) -> None:
        """Post once."""
        url = await secret_or_file(self._config.webhook_url, self._config.webhook_url_file)
        await self.post(url, self.payload(notice), retry=(429,))

    def payload(self, notice: Notice) -> dict[str, Any]:
        """A message with the card."""
        config = self._config
        heading = {
            "type": "TextBlock",
            "text": notice.text(config.title),
            "weight": "Bolder",
            "size": "Medium",
            "wrap": True,
            "style": "heading",
            "color": "Attention" if notice.firing else "Good",
        }
        body = {"type": "TextBlock", "text": notice.text(config.text), "wrap": True}
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.2",
            "body": [heading, body],
            "msteams": {"width": "full"},
        }
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": card,
        }
        return {"type": "message", "attachments": [attachment]}

"""Microsoft Teams by a workflow: an adaptive card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promlab.alertmanager.receivers.base import Notifier, template
from promlab.alertmanager.receivers.client import Client
from promlab.alertmanager.receivers.webhook_url import WebhookUrlConfig, WebhookUrlNotifier
from promlab.config.section import record

if TYPE_CHECKING:
    from promlab.alertmanager.notify.notice import Notice


@record
class MSTeamsV2Config(WebhookUrlConfig):
    """msteamsv2_configs."""

    title: str = template('{{ template "msteamsv2.default.title" . }}')
    text: str = template('{{ template "msteamsv2.default.text" . }}')

    def notifier(self, client: Client) -> Notifier:
        """Posts to the workflow."""
        return MSTeamsV2Notifier(self, client)


class MSTeamsV2Notifier(WebhookUrlNotifier[MSTeamsV2Config]):
    """Posts cards."""

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

"""Microsoft Teams, the older connector: a message card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promlab.alertmanager.receivers.base import Notifier, template
from promlab.alertmanager.receivers.client import Answer, Client
from promlab.alertmanager.receivers.errors import NotifyError
from promlab.alertmanager.receivers.webhook_url import WebhookUrlConfig, WebhookUrlNotifier
from promlab.config.section import record

if TYPE_CHECKING:
    from promlab.alertmanager.notify.notice import Notice

_RED, _GREEN = "8C1A1A", "2DC72D"


@record
class MSTeamsConfig(WebhookUrlConfig):
    """msteams_configs."""

    title: str = template('{{ template "msteams.default.title" . }}')
    summary: str = template('{{ template "msteams.default.summary" . }}')
    text: str = template('{{ template "msteams.default.text" . }}')

    def notifier(self, client: Client) -> Notifier:
        """Posts to the connector."""
        return MSTeamsNotifier(self, client)


class MSTeamsNotifier(WebhookUrlNotifier[MSTeamsConfig]):
    """Posts cards."""

    def check(self, answer: Answer) -> None:
        """The connector answers 200 and says in words that Teams did not take the card."""
        if b"Microsoft Teams endpoint returned HTTP error" in answer.body:
            raise NotifyError(answer.text[:300], retry=b"error 429" in answer.body)

    def payload(self, notice: Notice) -> dict[str, Any]:
        """The card."""
        config, text = self._config, notice.text
        return {
            "@context": "http://schema.org/extensions",
            "type": "MessageCard",
            "title": text(config.title),
            "summary": text(config.summary),
            "text": text(config.text),
            "themeColor": _RED if notice.firing else _GREEN,
        }

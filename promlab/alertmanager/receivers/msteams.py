"""Microsoft Teams, the older connector: a message card."""

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
from promlab.alertmanager.receivers.errors import NotifyError
from promlab.config.document import At
from promlab.config.secret import Secret
from promlab.config.section import record

if TYPE_CHECKING:
    from promlab.alertmanager.notify.notice import Notice

_RED, _GREEN = "8C1A1A", "2DC72D"


@record
class MSTeamsConfig(Integration):
    """msteams_configs."""

    webhook_url: Secret = secret_url()
    webhook_url_file: str = path()
    title: str = template('{{ template "msteams.default.title" . }}')
    summary: str = template('{{ template "msteams.default.summary" . }}')
    text: str = template('{{ template "msteams.default.text" . }}')

    def check(self, at: At) -> None:
        """A URL."""
        check_webhook_url(self, at)

    def notifier(self, client: Client) -> Notifier:
        """Posts to the connector."""
        return MSTeamsNotifier(self, client)


class MSTeamsNotifier(Notifier):
    """Posts cards."""

    def __init__(self, config: MSTeamsConfig, client: Client) -> None:
        super().__init__(client)
        self._config = config

    async def notify(self, notice: Notice) -> None:
        """Post once."""
        url = await secret_or_file(self._config.webhook_url, self._config.webhook_url_file)
        answer = await self.post(url, self.payload(notice), retry=(429,))
        # The connector answers 200 and says in words that Teams did not take the card.
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

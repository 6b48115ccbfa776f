"""Discord: a message with an embed, by a webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promlab.alertmanager.receivers.attachments import without_empty
from promlab.alertmanager.receivers.base import Notifier, cut, template
from promlab.alertmanager.receivers.client import Client
from promlab.alertmanager.receivers.webhook_url import WebhookUrlConfig, WebhookUrlNotifier
from promlab.config import kinds
from promlab.config.section import opt, record

if TYPE_CHECKING:
    from promlab.alertmanager.notify.notice import Notice

MAX_TITLE, MAX_TEXT, MAX_CONTENT = 256, 4096, 2000
_RED, _GREEN = 0x992D22, 0x2ECC71


@record
class DiscordConfig(WebhookUrlConfig):
    """discord_configs."""

    content: str = opt(kinds.string, '{{ template "discord.default.content" . }}')
    title: str = template('{{ template "discord.default.title" . }}')
    message: str = template('{{ template "discord.default.message" . }}')
    username: str = opt(kinds.string, "")
    avatar_url: str = opt(kinds.string, "")

    def notifier(self, client: Client) -> Notifier:
        """Posts to the webhook."""
        return DiscordNotifier(self, client)


class DiscordNotifier(WebhookUrlNotifier[DiscordConfig]):
    """Posts messages."""

    def payload(self, notice: Notice) -> dict[str, Any]:
        """The message."""
        config, text = self._config, notice.text
        embed = {
            "title": cut(text(config.title), MAX_TITLE),
            "description": cut(text(config.message), MAX_TEXT),
            "color": _RED if notice.firing else _GREEN,
        }
        return {
            "content": cut(text(config.content), MAX_CONTENT),
            "embeds": [embed],
            **without_empty(username=text(config.username), avatar_url=text(config.avatar_url)),
        }

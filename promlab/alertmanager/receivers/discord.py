"""Discord: a message with an embed, by a webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promlab.alertmanager.receivers.attachments import without_empty
from promlab.alertmanager.receivers.base import (
    Integration,
    Notifier,
    both,
    cut,
    path,
    secret_or_file,
    secret_url,
    template,
)
from promlab.alertmanager.receivers.client import Client
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.secret import Secret
from promlab.config.section import opt, record

if TYPE_CHECKING:
    from promlab.alertmanager.notify.notice import Notice

MAX_TITLE, MAX_TEXT, MAX_CONTENT = 256, 4096, 2000
_RED, _GREEN = 0x992D22, 0x2ECC71


def check_webhook_url(section: Integration, at: At) -> None:
    """A webhook's URL, from one place."""
    both(at, section, "webhook_url", "webhook_url_file")
    if not getattr(section, "webhook_url", "") and not getattr(section, "webhook_url_file", ""):
        at.fail("one of webhook_url or webhook_url_file must be configured")


@record
class DiscordConfig(Integration):
    """discord_configs."""

    webhook_url: Secret = secret_url()
    webhook_url_file: str = path()
    content: str = opt(kinds.string, '{{ template "discord.default.content" . }}')
    title: str = template('{{ template "discord.default.title" . }}')
    message: str = template('{{ template "discord.default.message" . }}')
    username: str = opt(kinds.string, "")
    avatar_url: str = opt(kinds.string, "")

    def check(self, at: At) -> None:
        """A URL."""
        check_webhook_url(self, at)

    def notifier(self, client: Client) -> Notifier:
        """Posts to the webhook."""
        return DiscordNotifier(self, client)


class DiscordNotifier(Notifier):
    """Posts messages."""

    def __init__(self, config: DiscordConfig, client: Client) -> None:
        super().__init__(client)
        self._config = config

    async def notify(self, notice: Notice) -> None:
        """Post once."""
        url = await secret_or_file(self._config.webhook_url, self._config.webhook_url_file)
        await self.post(url, self.payload(notice), retry=(429,))

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

"""Telegram: a message of a bot in a chat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
from promlab.alertmanager.receivers.errors import NotifyError
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.secret import Secret
from promlab.config.section import opt, record

if TYPE_CHECKING:
    from promlab.alertmanager.config.global_ import GlobalConfig
    from promlab.alertmanager.notify.notice import Notice

MAX_TEXT = 4096


@record
class TelegramConfig(Integration):
    """telegram_configs."""

    api_url: str = opt(own.absolute_url, "")
    bot_token: Secret = secret()
    bot_token_file: str = path()
    chat_id: int = opt(kinds.integer, 0)
    chat_id_file: str = path()
    message_thread_id: int = opt(kinds.integer, 0)
    message: str = template('{{ template "telegram.default.message" . }}')
    disable_notifications: bool = opt(kinds.boolean, False)
    parse_mode: str = opt(kinds.string, "HTML", always=True)

    def check(self, at: At) -> None:
        """A chat, and a mode that Telegram knows."""
        both(at, self, "bot_token", "bot_token_file")
        both(at, self, "chat_id", "chat_id_file")
        if not self.chat_id and not self.chat_id_file:
            at.fail("missing chat_id or chat_id_file on telegram_config")
        if self.parse_mode not in ("", "Markdown", "MarkdownV2", "HTML"):
            at.get("parse_mode").fail(
                "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML or "
                "empty string"
            )

    def _from_global(self, base: GlobalConfig, at: At) -> Mapping[str, Any]:
        changed = inherited(
            self, base, "bot_token", "bot_token_file", "telegram_bot_token",
            "telegram_bot_token_file",
        )  # fmt: skip
        if changed and not any(changed.values()):
            at.fail("missing bot_token or bot_token_file on telegram_config")
        return {**changed, "api_url": self.api_url or base.telegram_api_url}

    def notifier(self, client: Client) -> Notifier:
        """Sends messages as the bot."""
        return TelegramNotifier(self, client)


class TelegramNotifier(Notifier):
    """Sends messages."""

    def __init__(self, config: TelegramConfig, client: Client) -> None:
        super().__init__(client)
        self._config = config

    async def notify(self, notice: Notice) -> None:
        """Send once."""
        config = self._config
        token = await secret_or_file(config.bot_token, config.bot_token_file)
        chat = await secret_or_file(own.NO_SECRET, config.chat_id_file) or str(config.chat_id)
        url = f"{config.api_url.rstrip('/')}/bot{token}/sendMessage"
        try:
            answer = await self.post(url, self.payload(notice, chat), retry=(429,))
        except NotifyError as error:
            # The token is a part of the URL, which errors of a client may quote.
            hidden = str(error).replace(token, "<secret>") if token else str(error)
            raise NotifyError(hidden, retry=error.retry, reason=error.reason) from None
        said = answer.json()
        if isinstance(said, dict) and said.get("ok") is False:
            raise NotifyError(f"error response from Telegram: {said.get('description', '')}")

    def payload(self, notice: Notice, chat: str) -> dict[str, Any]:
        """The message; HTML is what it is expanded as when it is sent as HTML."""
        config = self._config
        text = notice.html if config.parse_mode == "HTML" else notice.text
        payload = {
            "chat_id": chat,
            "text": cut(text(config.message), MAX_TEXT),
            "disable_web_page_preview": "true",
        }
        if config.parse_mode:
            payload["parse_mode"] = config.parse_mode
        if config.disable_notifications:
            payload["disable_notification"] = "true"
        if config.message_thread_id:
            payload["message_thread_id"] = str(config.message_thread_id)
        return payload

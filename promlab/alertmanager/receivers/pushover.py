"""Pushover: a notification on telephones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from promlab.alertmanager.config import kinds as own
from promlab.alertmanager.receivers.base import (
    Integration,
    Notifier,
    both,
    cut,
    path,
    secret,
    secret_or_file,
    template,
)
from promlab.alertmanager.receivers.client import Client, check
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.secret import Secret
from promlab.config.section import opt, record

if TYPE_CHECKING:
    from promlab.alertmanager.notify.notice import Notice

URL = "https://api.pushover.net/1/messages.json"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MAX_TITLE, MAX_MESSAGE, MAX_URL = 250, 1024, 512


@record
class PushoverConfig(Integration):
    """pushover_configs."""

    user_key: Secret = secret()
    user_key_file: str = path()
    token: Secret = secret()
    token_file: str = path()
    title: str = template('{{ template "pushover.default.title" . }}')
    message: str = template('{{ template "pushover.default.message" . }}')
    url: str = template('{{ template "pushover.default.url" . }}')
    url_title: str = opt(kinds.string, "")
    device: str = opt(kinds.string, "")
    sound: str = opt(kinds.string, "")
    priority: str = template('{{ if eq .Status "firing" }}2{{ else }}0{{ end }}')
    retry_s: float = opt(own.go_duration, 60.0, key="retry", always=True)
    expire_s: float = opt(own.go_duration, 3600.0, key="expire", always=True)
    ttl_s: float = opt(own.go_duration, 0.0, key="ttl")
    html: bool = opt(kinds.boolean, False)
    monospace: bool = opt(kinds.boolean, False)

    def check(self, at: At) -> None:
        """Who sends, and to whom."""
        for name in ("user_key", "token"):
            both(at, self, name, f"{name}_file")
            if not getattr(self, name) and not getattr(self, f"{name}_file"):
                at.fail(f"one of {name} or {name}_file must be configured")
        both(at, self, "monospace", "html")

    def notifier(self, client: Client) -> Notifier:
        """Sends messages."""
        return PushoverNotifier(self, client)


class PushoverNotifier(Notifier):
    """Sends messages."""

    def __init__(self, config: PushoverConfig, client: Client, url: str = URL) -> None:
        super().__init__(client)
        self._config, self._url = config, url

    async def notify(self, notice: Notice) -> None:
        """Send once."""
        config = self._config
        user = notice.exact(await secret_or_file(config.user_key, config.user_key_file))
        token = notice.exact(await secret_or_file(config.token, config.token_file))
        form = {"token": token, "user": user, **self.form(notice)}
        answer = await self.client.request(
            "POST", self._url, body=urlencode(form).encode(), headers=_FORM
        )
        check(answer, (429,))

    def form(self, notice: Notice) -> dict[str, str]:
        """The message, without who sends it."""
        config = self._config
        text = notice.html if config.html else notice.text
        form = {
            "title": cut(notice.text(config.title), MAX_TITLE),
            # An empty message is refused.
            "message": cut(text(config.message).strip(), MAX_MESSAGE) or "(no details)",
            "priority": notice.exact(config.priority),
            "retry": f"{config.retry_s:.0f}",
            "expire": f"{config.expire_s:.0f}",
            "timestamp": str(int(time.time())),
        }
        optional = {
            "url": cut(notice.text(config.url), MAX_URL),
            "url_title": notice.text(config.url_title),
            "device": notice.text(config.device),
            "sound": notice.text(config.sound),
            "html": "1" if config.html else "",
            "monospace": "1" if config.monospace else "",
            "ttl": f"{config.ttl_s:.0f}" if config.ttl_s else "",
        }
        return {**form, **{name: value for name, value in optional.items() if value}}

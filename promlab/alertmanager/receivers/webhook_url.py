"""Receivers that post to one webhook, whose URL is a secret: given, or in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from promlab.alertmanager.receivers.base import (
    Integration,
    Notifier,
    both,
    path,
    secret_or_file,
    secret_url,
)
from promlab.alertmanager.receivers.client import Answer, Client
from promlab.config.document import At
from promlab.config.secret import Secret
from promlab.config.section import record

if TYPE_CHECKING:
    from promlab.alertmanager.notify.notice import Notice


@record
class WebhookUrlConfig(Integration):
    """A URL from one place."""

    webhook_url: Secret = secret_url()
    webhook_url_file: str = path()

    def check(self, at: At) -> None:
        """There is a URL."""
        both(at, self, "webhook_url", "webhook_url_file")
        if not self.webhook_url and not self.webhook_url_file:
            at.fail("one of webhook_url or webhook_url_file must be configured")


Config = TypeVar("Config", bound=WebhookUrlConfig)


class WebhookUrlNotifier(Notifier, Generic[Config]):
    """Posts what `payload` makes of a notice."""

    def __init__(self, config: Config, client: Client) -> None:
        super().__init__(client)
        self._config = config

    async def notify(self, notice: Notice) -> None:
        """Post once."""
        url = await secret_or_file(self._config.webhook_url, self._config.webhook_url_file)
        self.check(await self.post(url, self.payload(notice), retry=(429,)))

    def payload(self, notice: Notice) -> dict[str, Any]:
        """What is posted, as JSON."""
        raise NotImplementedError(type(self).__name__)

    def check(self, answer: Answer) -> None:
        """Refuse an answer that is an error in spite of its status. Raises NotifyError."""

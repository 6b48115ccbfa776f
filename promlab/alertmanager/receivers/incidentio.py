"""incident.io: an alert source that takes notifications as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from promlab.alertmanager.config import kinds as own
from promlab.alertmanager.receivers.base import (
    Integration,
    Notifier,
    both,
    path,
    secret,
    secret_or_file,
)
from promlab.alertmanager.receivers.client import Client
from promlab.alertmanager.receivers.errors import NotifyError
from promlab.alertmanager.receivers.webhook import message
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.secret import Secret
from promlab.config.section import opt, record

if TYPE_CHECKING:
    from promlab.alertmanager.notify.notice import Notice

MAX_BYTES = 512 * 1024
_KEPT_LABELS = ("alertname", "severity", "service", "job", "instance")


@record
class IncidentioConfig(Integration):
    """incidentio_configs."""

    url: str = opt(own.absolute_url, "", always=True)
    url_file: str = opt(kinds.path, "", always=True)
    alert_source_token: Secret = secret()
    alert_source_token_file: str = path()
    max_alerts: int = opt(kinds.unsigned, 0, always=True)
    timeout_s: float = opt(own.timeout, 0.0, key="timeout", always=True)

    def check(self, at: At) -> None:
        """One URL, and one way to show who we are."""
        both(at, self, "url", "url_file")
        both(at, self, "alert_source_token", "alert_source_token_file")
        if not self.url and not self.url_file:
            at.fail("one of url or url_file must be configured")
        token = self.alert_source_token or self.alert_source_token_file
        http = self.http_config
        authorized = http is not None and http.bearer is not None
        if token and authorized:
            at.fail(
                "cannot specify alert_source_token or alert_source_token_file when using "
                "http_config.authorization"
            )

    def notifier(self, client: Client) -> Notifier:
        """Posts to the alert source."""
        return IncidentioNotifier(self, client)


class IncidentioNotifier(Notifier):
    """Posts the notification, made smaller until it fits."""

    def __init__(self, config: IncidentioConfig, client: Client) -> None:
        super().__init__(client)
        self._config = config

    async def notify(self, notice: Notice) -> None:
        """Post once."""
        config = self._config
        url = (await secret_or_file(own.NO_SECRET, config.url_file)) or config.url
        token = await secret_or_file(config.alert_source_token, config.alert_source_token_file)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = fitted(message(notice, config.max_alerts, "1"))
        await self.post(url, body, headers=headers, retry=(429,))


def fitted(body: dict[str, Any]) -> dict[str, Any]:
    """The body within the limit: first fewer labels and annotations, then one alert only."""
    if len(msgspec.json.encode(body)) <= MAX_BYTES:
        return body
    alerts = [
        {
            **alert,
            "labels": {k: v for k, v in alert["labels"].items() if k in _KEPT_LABELS},
            "annotations": {
                k: v for k, v in alert["annotations"].items() if k in ("summary", "description")
            },
        }
        for alert in body["alerts"]
    ]
    body = {**body, "alerts": alerts}
    while len(msgspec.json.encode(body)) > MAX_BYTES:
        count = len(body["alerts"])
        if count <= 1:
            raise NotifyError("the notification is larger than incident.io takes")
        kept = count // 2
        body = {
            **body,
            "alerts": body["alerts"][:kept],
            "truncatedAlerts": body["truncatedAlerts"] + count - kept,
        }
    return body

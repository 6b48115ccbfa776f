"""PagerDuty: events of the Events API v2 (routing_key) or v1 (service_key)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from promlab.alertmanager.config import kinds as own
from promlab.alertmanager.receivers.attachments import without_empty
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
from promlab.alertmanager.receivers.client import JSON, Client, check
from promlab.alertmanager.receivers.webhook import expanded
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.secret import Secret
from promlab.config.section import Section, opt, record, sections

if TYPE_CHECKING:
    from promlab.alertmanager.config.global_ import GlobalConfig
    from promlab.alertmanager.notify.notice import Notice

MAX_SUMMARY = 1024
MAX_EVENT_BYTES = 512_000
V1_URL = "https://events.pagerduty.com/generic/2010-04-15/create_event.json"
_DETAILS = {
    "firing": "{{ .Alerts.Firing | toJson }}",
    "resolved": "{{ .Alerts.Resolved | toJson }}",
    "num_firing": "{{ .Alerts.Firing | len }}",
    "num_resolved": "{{ .Alerts.Resolved | len }}",
}


@record
class PagerdutyImage(Section):
    """A picture beside an incident."""

    src: str = opt(kinds.string, "")
    alt: str = opt(kinds.string, "")
    href: str = opt(kinds.string, "")


@record
class PagerdutyLink(Section):
    """A link beside an incident."""

    href: str = opt(kinds.string, "")
    text: str = opt(kinds.string, "")


@record
class PagerdutyConfig(Integration):
    """pagerduty_configs."""

    service_key: Secret = secret()
    service_key_file: str = path()
    routing_key: Secret = secret()
    routing_key_file: str = path()
    url: str = opt(own.absolute_url, "")
    client: str = template('{{ template "pagerduty.default.client" . }}')
    client_url: str = template('{{ template "pagerduty.default.clientURL" . }}')
    description: str = template('{{ template "pagerduty.default.description" .}}')
    details: Mapping[str, Any] = opt(own.open_map, {})
    source: str = opt(kinds.string, "")
    severity: str = opt(kinds.string, "")
    class_: str = opt(kinds.string, "", key="class")
    component: str = opt(kinds.string, "")
    group: str = opt(kinds.string, "")
    images: tuple[PagerdutyImage, ...] = opt(sections(PagerdutyImage, "an empty image"), ())
    links: tuple[PagerdutyLink, ...] = opt(sections(PagerdutyLink, "an empty link"), ())
    timeout_s: float = opt(own.timeout, 0.0, key="timeout", always=True)

    def check(self, at: At) -> None:
        """A key, from one place."""
        both(at, self, "service_key", "service_key_file")
        both(at, self, "routing_key", "routing_key_file")
        if not any(
            (self.service_key, self.service_key_file, self.routing_key, self.routing_key_file)
        ):
            at.fail("missing service or routing key in PagerDuty config")

    def _from_global(self, base: GlobalConfig, at: At) -> Mapping[str, Any]:
        return {
            "url": self.url or base.pagerduty_url,
            "source": self.source or self.client,
            "details": {**_DETAILS, **self.details},
        }

    def notifier(self, client: Client) -> Notifier:
        """Sends events."""
        return PagerdutyNotifier(self, client)


class PagerdutyNotifier(Notifier):
    """Sends events of the version that the key is for."""

    def __init__(self, config: PagerdutyConfig, client: Client, v1_url: str = V1_URL) -> None:
        super().__init__(client)
        self._config, self._v1_url = config, v1_url

    async def notify(self, notice: Notice) -> None:
        """Send one event."""
        config = self._config
        routing = await secret_or_file(config.routing_key, config.routing_key_file)
        if routing:
            url, payload, retry = config.url, self._v2(notice, notice.exact(routing)), (429,)
        else:
            key = await secret_or_file(config.service_key, config.service_key_file)
            url, payload, retry = self._v1_url, self._v1(notice, notice.exact(key)), (403,)
        body = msgspec.json.encode(payload)
        if len(body) > MAX_EVENT_BYTES:
            body = msgspec.json.encode(_smaller(payload))
        answer = await self.client.request("POST", url, body=body, headers=JSON)
        check(answer, retry, _problem(answer.json()))

    def _details(self, notice: Notice) -> dict[str, Any]:
        return {key: expanded(value, notice) for key, value in self._config.details.items()}

    def _v2(self, notice: Notice, key: str) -> dict[str, Any]:
        config, text = self._config, notice.text
        payload = {
            "summary": cut(text(config.description), MAX_SUMMARY),
            "source": text(config.source),
            "severity": text(config.severity) or "error",
            **without_empty(
                **{
                    "component": text(config.component),
                    "class": text(config.class_),
                    "group": text(config.group),
                }
            ),
            "custom_details": self._details(notice),
        }
        images = [
            without_empty(src=text(i.src), alt=text(i.alt), href=text(i.href))
            for i in config.images
        ]
        links = [without_empty(href=text(x.href), text=text(x.text)) for x in config.links]
        return {
            "routing_key": key,
            "dedup_key": notice.key_hash,
            "event_action": "trigger" if notice.firing else "resolve",
            "payload": payload,
            **without_empty(
                client=text(config.client),
                client_url=text(config.client_url),
                images=[image for image in images if "src" in image],
                links=[link for link in links if "href" in link],
            ),
        }

    def _v1(self, notice: Notice, key: str) -> dict[str, Any]:
        config, text = self._config, notice.text
        payload = {
            "service_key": key,
            "event_type": "trigger" if notice.firing else "resolve",
            "incident_key": notice.key_hash,
            "description": cut(text(config.description), MAX_SUMMARY),
            "details": self._details(notice),
        }
        if notice.firing:
            payload |= without_empty(client=text(config.client), client_url=text(config.client_url))
        return payload


def _smaller(payload: dict[str, Any]) -> dict[str, Any]:
    """The event without its details, which are what may be large."""
    said = {"error": "Custom details have been removed because the event exceeds 512KB"}
    if "payload" in payload:
        return {**payload, "payload": {**payload["payload"], "custom_details": said}}
    return {**payload, "details": said}


def _problem(said: Any) -> str:
    if not isinstance(said, dict) or not said.get("message"):
        return ""
    errors = said.get("errors") or []
    return ": ".join([str(said["message"]), ", ".join(map(str, errors))][: 2 if errors else 1])

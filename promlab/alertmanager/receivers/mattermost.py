"""Mattermost: a message with attachments, by an incoming webhook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from promlab.alertmanager.receivers.attachments import FullField, without_empty
from promlab.alertmanager.receivers.base import (
    Notifier,
    both,
    cut,
    inherited,
    template,
)
from promlab.alertmanager.receivers.client import Client
from promlab.alertmanager.receivers.webhook_url import WebhookUrlConfig, WebhookUrlNotifier
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.section import Section, maybe, opt, record, sections

if TYPE_CHECKING:
    from promlab.alertmanager.config.global_ import GlobalConfig
    from promlab.alertmanager.notify.notice import Notice

MAX_TEXT = 16_383
_ATTACHMENT = (
    "fallback", "color", "pretext", "text", "author_name", "author_link", "author_icon", "title",
    "title_link", "thumb_url", "footer", "footer_icon", "image_url",
)  # fmt: skip


@record
class MattermostAttachment(Section):
    """One attachment of a message."""

    fallback: str = opt(kinds.string, "")
    color: str = opt(kinds.string, "")
    pretext: str = opt(kinds.string, "")
    text: str = opt(kinds.string, "")
    author_name: str = opt(kinds.string, "")
    author_link: str = opt(kinds.string, "")
    author_icon: str = opt(kinds.string, "")
    title: str = opt(kinds.string, "")
    title_link: str = opt(kinds.string, "")
    fields: tuple[FullField, ...] = opt(sections(FullField, "an empty field"), ())
    thumb_url: str = opt(kinds.string, "")
    footer: str = opt(kinds.string, "")
    footer_icon: str = opt(kinds.string, "")
    image_url: str = opt(kinds.string, "")


@record
class MattermostPriority(Section):
    """How urgent a message is."""

    priority: str = opt(kinds.string, "")
    requested_ack: bool = opt(kinds.boolean, False)
    persistent_notifications: bool = opt(kinds.boolean, False)


@record
class MattermostProps(Section):
    """Extras of a message."""

    card: str = opt(kinds.string, "")


@record
class MattermostConfig(WebhookUrlConfig):
    """mattermost_configs."""

    channel: str = opt(kinds.string, "")
    username: str = template('{{ template "mattermost.default.username" . }}')
    text: str = template('{{ template "mattermost.default.text" . }}')
    fallback: str = template('{{ template "mattermost.default.fallback" . }}')
    color: str = template('{{ template "mattermost.default.color" . }}')
    pretext: str = opt(kinds.string, "")
    author_name: str = opt(kinds.string, "")
    author_link: str = opt(kinds.string, "")
    author_icon: str = opt(kinds.string, "")
    title: str = template('{{ template "mattermost.default.title" . }}')
    title_link: str = template('{{ template "mattermost.default.titlelink" . }}')
    fields: tuple[FullField, ...] = opt(sections(FullField, "an empty field"), ())
    thumb_url: str = opt(kinds.string, "")
    footer: str = opt(kinds.string, "")
    footer_icon: str = opt(kinds.string, "")
    image_url: str = opt(kinds.string, "")
    icon_url: str = opt(kinds.string, "")
    icon_emoji: str = opt(kinds.string, "")
    attachments: tuple[MattermostAttachment, ...] = opt(
        sections(MattermostAttachment, "an empty attachment"), ()
    )
    type: str = opt(kinds.string, "")
    props: MattermostProps | None = opt(maybe(MattermostProps), None)
    priority: MattermostPriority | None = opt(maybe(MattermostPriority), None)

    def check(self, at: At) -> None:
        """One URL, or that of `global`."""
        both(at, self, "webhook_url", "webhook_url_file")

    def _from_global(self, base: GlobalConfig, at: At) -> Mapping[str, Any]:
        changed = inherited(
            self, base, "webhook_url", "webhook_url_file", "mattermost_webhook_url",
            "mattermost_webhook_url_file",
        )  # fmt: skip
        if changed and not any(changed.values()):
            at.fail("no global Mattermost Webhook URL set either inline or in a file")
        return changed

    def notifier(self, client: Client) -> Notifier:
        """Posts to the webhook."""
        return MattermostNotifier(self, client)


class MattermostNotifier(WebhookUrlNotifier[MattermostConfig]):
    """Posts messages."""

    def payload(self, notice: Notice) -> dict[str, Any]:
        """The message."""
        config, text = self._config, notice.text
        sources: tuple[MattermostConfig | MattermostAttachment, ...] = config.attachments or (
            config,
        )
        priority = config.priority and without_empty(
            priority=text(config.priority.priority),
            requested_ack=config.priority.requested_ack,
            persistent_notifications=config.priority.persistent_notifications,
        )
        return without_empty(
            channel=notice.exact(config.channel),
            username=text(config.username),
            text=cut(text(config.text), MAX_TEXT) if config.attachments else "",
            icon_url=text(config.icon_url),
            icon_emoji=text(config.icon_emoji),
            attachments=[_attachment(each, notice) for each in sources],
            type=text(config.type),
            props=config.props and without_empty(card=text(config.props.card)),
            priority=priority,
        )


def _attachment(source: MattermostConfig | MattermostAttachment, notice: Notice) -> dict[str, Any]:
    texts = {name: notice.text(getattr(source, name)) for name in _ATTACHMENT}
    texts["text"] = cut(texts["text"], MAX_TEXT)
    fields = [each.payload(notice, False) for each in source.fields]
    return without_empty(**texts, fields=fields)

"""Slack: a message with an attachment, by an incoming webhook or as an app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from promlab.alertmanager.config import kinds as own
from promlab.alertmanager.receivers.attachments import FullField, without_empty
from promlab.alertmanager.receivers.base import (
    Integration,
    Notifier,
    both,
    cut,
    inherited,
    path,
    secret,
    secret_or_file,
    secret_url,
    template,
)
from promlab.alertmanager.receivers.client import JSON, Answer, Client, check
from promlab.alertmanager.receivers.errors import NotifyError
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.secret import Secret
from promlab.config.section import Section, maybe, opt, record, sections

if TYPE_CHECKING:
    from promlab.alertmanager.config.global_ import GlobalConfig
    from promlab.alertmanager.notify.notice import Notice

MAX_TITLE = 1024


@record
class SlackConfirmation(Section):
    """A question before a button does what it does."""

    text: str = opt(kinds.string, "")
    title: str = opt(kinds.string, "")
    ok_text: str = opt(kinds.string, "")
    dismiss_text: str = opt(kinds.string, "")

    def check(self, at: At) -> None:
        """A question has words."""
        if not self.text:
            at.fail("missing text in Slack confirmation configuration")


@record
class SlackAction(Section):
    """A button."""

    type: str = opt(kinds.string, "")
    text: str = opt(kinds.string, "")
    url: str = opt(kinds.string, "")
    style: str = opt(kinds.string, "")
    name: str = opt(kinds.string, "")
    value: str = opt(kinds.string, "")
    confirm: SlackConfirmation | None = opt(maybe(SlackConfirmation), None)

    def check(self, at: At) -> None:
        """What a button can't do without."""
        if not self.type:
            at.fail("missing type in Slack action configuration")
        if not self.text:
            at.fail("missing text in Slack action configuration")
        if not self.url and not self.name:
            at.fail("missing name or url in Slack action configuration")

    def payload(self, notice: Notice) -> dict[str, Any]:
        """As Slack takes it."""
        made = {
            key: notice.text(getattr(self, key))
            for key in ("type", "text", "url", "style", "name", "value")
        }
        confirm = self.confirm and {
            key: notice.text(getattr(self.confirm, key))
            for key in ("text", "title", "ok_text", "dismiss_text")
        }
        shown = {"type": made.pop("type"), "text": made.pop("text")}
        return {**shown, **without_empty(**made, confirm=confirm and without_empty(**confirm))}


@record
class SlackConfig(Integration):
    """slack_configs."""

    send_resolved: bool = opt(kinds.boolean, False, always=True)
    api_url: Secret = secret_url()
    api_url_file: str = path()
    app_token: Secret = secret()
    app_token_file: str = path()
    app_url: str = opt(own.absolute_url, "")
    channel: str = opt(kinds.string, "")
    username: str = template('{{ template "slack.default.username" . }}')
    color: str = template('{{ template "slack.default.color" . }}')
    title: str = template('{{ template "slack.default.title" . }}')
    title_link: str = template('{{ template "slack.default.titlelink" . }}')
    pretext: str = template('{{ template "slack.default.pretext" . }}')
    text: str = template('{{ template "slack.default.text" . }}')
    message_text: str = opt(kinds.string, "")
    fields: tuple[FullField, ...] = opt(sections(FullField, "an empty Slack field"), ())
    short_fields: bool = opt(kinds.boolean, False, always=True)
    footer: str = template('{{ template "slack.default.footer" . }}')
    fallback: str = template('{{ template "slack.default.fallback" . }}')
    callback_id: str = template('{{ template "slack.default.callbackid" . }}')
    icon_emoji: str = template('{{ template "slack.default.iconemoji" . }}')
    icon_url: str = template('{{ template "slack.default.iconurl" . }}')
    image_url: str = opt(kinds.string, "")
    thumb_url: str = opt(kinds.string, "")
    link_names: bool = opt(kinds.boolean, False, always=True)
    mrkdwn_in: tuple[str, ...] = opt(kinds.strings, ())
    actions: tuple[SlackAction, ...] = opt(sections(SlackAction, "an empty Slack action"), ())
    update_message: bool = opt(kinds.boolean, False, always=True)
    timeout_s: float = opt(own.timeout, 0.0, key="timeout", always=True)

    def check(self, at: At) -> None:
        """One way in."""
        both(at, self, "api_url", "api_url_file")
        both(at, self, "app_token", "app_token_file")
        if (self.api_url or self.api_url_file) and (self.app_token or self.app_token_file):
            at.fail(
                "at most one of api_url/api_url_file & app_token/app_token_file must be configured"
            )

    def _from_global(self, base: GlobalConfig, at: At) -> Mapping[str, Any]:
        changed: dict[str, Any] = {"app_url": self.app_url or base.slack_app_url}
        token = self.app_token or self.app_token_file
        if not token and not (self.api_url or self.api_url_file):
            changed |= {
                "api_url": base.slack_api_url, "api_url_file": base.slack_api_url_file,
            } if base.slack_api_url or base.slack_api_url_file else inherited(
                self, base, "app_token", "app_token_file", "slack_app_token",
                "slack_app_token_file",
            )  # fmt: skip
            if not any(
                changed.get(name)
                for name in ("api_url", "api_url_file", "app_token", "app_token_file")
            ):
                at.fail("no Slack API URL nor App token set either inline or in a file")
        as_app = token or changed.get("app_token") or changed.get("app_token_file")
        if self.update_message and not as_app:
            at.get("update_message").fail("messages can be updated with an app_token only")
        return changed

    def notifier(self, client: Client) -> Notifier:
        """Posts to the webhook or as the app."""
        return SlackNotifier(self, client)


class SlackNotifier(Notifier):
    """Posts messages; as an app it may change the one it posted first."""

    def __init__(self, config: SlackConfig, client: Client) -> None:
        super().__init__(client)
        self._config = config

    async def notify(self, notice: Notice) -> None:
        """Post, or update, once."""
        config = self._config
        token = await secret_or_file(config.app_token, config.app_token_file)
        payload = self.payload(notice)
        if token:
            url, headers = config.app_url, {"Authorization": f"Bearer {token}"}
            if config.update_message and "ts" in notice.store:
                url = url.replace("chat.postMessage", "chat.update")
                payload["ts"], payload["channel"] = notice.store["ts"], notice.store["channel"]
        else:
            url, headers = await secret_or_file(config.api_url, config.api_url_file), {}
        body = msgspec.json.encode(payload)
        answer = await self.client.request("POST", url, body=body, headers={**JSON, **headers})
        check(answer, (429,))
        said = self._said(answer)
        if config.update_message and said.get("ts"):
            notice.store |= {"ts": said["ts"], "channel": said.get("channel", config.channel)}

    def _said(self, answer: Answer) -> dict[str, Any]:
        """What Slack said; its errors come with status 200. Raises NotifyError."""
        where = f"channel {self._config.channel!r}"
        if not answer.headers.get("Content-Type", "").startswith("application/json"):
            if answer.body != b"ok":
                raise NotifyError(
                    f"{where}: error response from Slack: {answer.text[:300]}",
                    reason="clientError",
                )
            return {}
        said = answer.json()
        if not isinstance(said, dict) or not said.get("ok"):
            reason = said.get("error", "") if isinstance(said, dict) else answer.text[:300]
            raise NotifyError(f"{where}: error response from Slack: {reason}", reason="clientError")
        return said

    def payload(self, notice: Notice) -> dict[str, Any]:
        """The message."""
        config, text = self._config, notice.text
        attachment = {
            "title": cut(text(config.title), MAX_TITLE),
            "title_link": text(config.title_link),
            "pretext": text(config.pretext),
            "text": text(config.text),
            "fallback": text(config.fallback),
            "callback_id": text(config.callback_id),
            "footer": text(config.footer),
            "color": text(config.color),
            "mrkdwn_in": list(config.mrkdwn_in) or ["fallback", "pretext", "text"],
            "image_url": text(config.image_url),
            "thumb_url": text(config.thumb_url),
            "fields": [each.payload(notice, config.short_fields) for each in config.fields],
            "actions": [each.payload(notice) for each in config.actions],
        }
        kept = ("text", "fallback", "callback_id", "footer")
        attachment = {k: v for k, v in attachment.items() if v or k in kept}
        return {
            **without_empty(
                channel=notice.exact(config.channel),
                username=text(config.username),
                icon_emoji=text(config.icon_emoji),
                icon_url=text(config.icon_url),
                link_names=config.link_names,
                text=text(config.message_text),
            ),
            "attachments": [attachment],
        }

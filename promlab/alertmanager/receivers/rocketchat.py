"""Rocket.Chat: a message with an attachment, posted as a user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from promlab.alertmanager.config import kinds as own
from promlab.alertmanager.receivers.attachments import FieldConfig, without_empty
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
from promlab.config.section import Section, opt, record, sections

if TYPE_CHECKING:
    from promlab.alertmanager.config.global_ import GlobalConfig
    from promlab.alertmanager.notify.notice import Notice

MAX_TITLE = 1024


@record
class RocketchatAction(Section):
    """A button."""

    type: str = opt(kinds.string, "")
    text: str = opt(kinds.string, "")
    url: str = opt(kinds.string, "")
    msg: str = opt(kinds.string, "")


@record
class RocketchatConfig(Integration):
    """rocketchat_configs."""

    send_resolved: bool = opt(kinds.boolean, False, always=True)
    api_url: str = opt(own.absolute_url, "")
    token_id: Secret = secret()
    token_id_file: str = path()
    token: Secret = secret()
    token_file: str = path()
    channel: str = opt(kinds.string, "")
    color: str = template('{{ if eq .Status "firing" }}red{{ else }}green{{ end }}')
    title: str = template('{{ template "rocketchat.default.title" . }}')
    title_link: str = template('{{ template "rocketchat.default.titlelink" . }}')
    text: str = template('{{ template "rocketchat.default.text" . }}')
    fields: tuple[FieldConfig, ...] = opt(sections(FieldConfig, "an empty field"), ())
    short_fields: bool = opt(kinds.boolean, False, always=True)
    emoji: str = template('{{ template "rocketchat.default.emoji" . }}')
    icon_url: str = template('{{ template "rocketchat.default.iconurl" . }}')
    image_url: str = opt(kinds.string, "")
    thumb_url: str = opt(kinds.string, "")
    link_names: bool = opt(kinds.boolean, False, always=True)
    actions: tuple[RocketchatAction, ...] = opt(sections(RocketchatAction, "an empty action"), ())

    def check(self, at: At) -> None:
        """Each secret from one place."""
        both(at, self, "token", "token_file")
        both(at, self, "token_id", "token_id_file")

    def _from_global(self, base: GlobalConfig, at: At) -> Mapping[str, Any]:
        changed: dict[str, Any] = {"api_url": self.api_url or base.rocketchat_api_url}
        for name, what in (("token_id", "TokenID"), ("token", "Token")):
            changed |= inherited(
                self, base, name, f"{name}_file", f"rocketchat_{name}", f"rocketchat_{name}_file"
            )
            value = changed.get(name, getattr(self, name))
            if not value and not changed.get(f"{name}_file", getattr(self, f"{name}_file")):
                at.fail(f"no global Rocketchat {what} set either inline or in a file")
        return changed

    def notifier(self, client: Client) -> Notifier:
        """Posts as the user."""
        return RocketchatNotifier(self, client)


class RocketchatNotifier(Notifier):
    """Posts messages."""

    def __init__(self, config: RocketchatConfig, client: Client) -> None:
        super().__init__(client)
        self._config = config

    async def notify(self, notice: Notice) -> None:
        """Post once."""
        config = self._config
        headers = {
            "X-Auth-Token": await secret_or_file(config.token, config.token_file),
            "X-User-Id": await secret_or_file(config.token_id, config.token_id_file),
        }
        url = config.api_url.rstrip("/") + "/api/v1/chat.postMessage"
        answer = await self.post(url, self._payload(notice), headers=headers, retry=(429,))
        said = answer.json()
        if isinstance(said, dict) and said.get("success") is False:
            raise NotifyError(
                f"error response from Rocket.Chat: {said.get('error', '')}", reason="clientError"
            )

    def _payload(self, notice: Notice) -> dict[str, Any]:
        config, text = self._config, notice.text
        attachment = without_empty(
            title=cut(text(config.title), MAX_TITLE),
            title_link=text(config.title_link),
            text=text(config.text),
            image_url=text(config.image_url),
            thumb_url=text(config.thumb_url),
            color=text(config.color),
            fields=[each.payload(notice, config.short_fields) for each in config.fields],
            actions=[_button(action, notice) for action in config.actions],
        )  # fmt: skip
        return {
            **without_empty(
                channel=notice.exact(config.channel),
                emoji=text(config.emoji),
                avatar=text(config.icon_url),
            ),
            "attachments": [attachment],
        }


def _button(action: RocketchatAction, notice: Notice) -> dict[str, Any]:
    made = without_empty(
        **{key: notice.text(getattr(action, key)) for key in ("type", "text", "url", "msg")}
    )
    return {**made, "is_webview": False, "msg_in_chat_window": False}

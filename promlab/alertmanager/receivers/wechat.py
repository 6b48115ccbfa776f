"""WeChat Work: a message of an application to users, parties or tags."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from promlab.alertmanager.config import kinds as own
from promlab.alertmanager.receivers.attachments import without_empty
from promlab.alertmanager.receivers.base import (
    Integration,
    Notifier,
    both,
    inherited,
    path,
    secret,
    secret_or_file,
    template,
)
from promlab.alertmanager.receivers.client import Client, check
from promlab.alertmanager.receivers.errors import NotifyError
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.secret import Secret
from promlab.config.section import opt, record

if TYPE_CHECKING:
    from promlab.alertmanager.config.global_ import GlobalConfig
    from promlab.alertmanager.notify.notice import Notice

_TOKEN_S = 7200.0  # how long a token is good
_EXPIRED = 42001
_TYPES = ("text", "markdown")


@record
class WechatConfig(Integration):
    """wechat_configs."""

    send_resolved: bool = opt(kinds.boolean, False, always=True)
    api_secret: Secret = secret()
    api_secret_file: str = path()
    corp_id: str = opt(kinds.string, "")
    message: str = template('{{ template "wechat.default.message" . }}')
    api_url: str = opt(own.absolute_url, "")
    to_user: str = template('{{ template "wechat.default.to_user" . }}')
    to_party: str = template('{{ template "wechat.default.to_party" . }}')
    to_tag: str = template('{{ template "wechat.default.to_tag" . }}')
    agent_id: str = template('{{ template "wechat.default.agent_id" . }}')
    message_type: str = opt(kinds.string, "text", always=True)

    def check(self, at: At) -> None:
        """A type that WeChat knows."""
        both(at, self, "api_secret", "api_secret_file")
        if self.message_type not in _TYPES:
            at.get("message_type").fail(
                f"weChat message type {self.message_type!r} does not match valid options "
                f"{'|'.join(_TYPES)}"
            )

    def _from_global(self, base: GlobalConfig, at: At) -> Mapping[str, Any]:
        changed = inherited(
            self, base, "api_secret", "api_secret_file", "wechat_api_secret",
            "wechat_api_secret_file",
        )  # fmt: skip
        if changed and not any(changed.values()):
            at.fail("no global Wechat Api Secret set either inline or in a file")
        corp = self.corp_id or base.wechat_api_corp_id
        if not corp:
            at.fail("no global Wechat CorpID set")
        url = self.api_url or base.wechat_api_url
        return {**changed, "corp_id": corp, "api_url": url.rstrip("/") + "/"}

    def notifier(self, client: Client) -> Notifier:
        """Sends messages as the application."""
        return WechatNotifier(self, client)


class WechatNotifier(Notifier):
    """Sends messages; keeps the access token for as long as it is good."""

    def __init__(self, config: WechatConfig, client: Client) -> None:
        super().__init__(client)
        self._config = config
        self._token, self._token_until = "", 0.0

    async def notify(self, notice: Notice) -> None:
        """Send once."""
        if not self._token or time.monotonic() > self._token_until:
            await self._fetch_token(notice)
        query = urlencode({"access_token": self._token})
        url = f"{self._config.api_url}message/send?{query}"
        answer = await self.post(url, self.payload(notice))
        said = answer.json()
        code = said.get("errcode", -1) if isinstance(said, dict) else -1
        if code == 0:
            return
        if code == _EXPIRED:
            self._token = ""
            raise NotifyError("the access token of WeChat has expired", retry=True)
        raise NotifyError(f"error response from WeChat: {answer.text[:300]}", reason="clientError")

    async def _fetch_token(self, notice: Notice) -> None:
        config = self._config
        secret_ = notice.exact(await secret_or_file(config.api_secret, config.api_secret_file))
        query = urlencode({"corpid": notice.exact(config.corp_id), "corpsecret": secret_})
        answer = await self.client.request("GET", f"{config.api_url}gettoken?{query}")
        check(answer)
        said = answer.json()
        token = said.get("access_token", "") if isinstance(said, dict) else ""
        if not token:
            raise NotifyError(f"WeChat gave no access token: {answer.text[:300]}")
        self._token, self._token_until = token, time.monotonic() + _TOKEN_S

    def payload(self, notice: Notice) -> dict[str, Any]:
        """The message."""
        config, text = self._config, notice.text
        message = text(config.message)
        chosen = config.message_type
        return {
            **{kind: {"content": message if kind == chosen else ""} for kind in _TYPES},
            "safe": "0",
            "msgtype": chosen,
            **without_empty(
                touser=text(config.to_user),
                toparty=text(config.to_party),
                totag=text(config.to_tag),
                agentid=text(config.agent_id),
            ),
        }  # fmt: skip

"""The `global` section: what holds for every receiver that does not say otherwise."""

from __future__ import annotations

from promlab.alertmanager.config import kinds as own
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.http_client import HttpClientConfig, TLSConfig, at_most_one
from promlab.config.kinds import Kind
from promlab.config.secret import Secret
from promlab.config.section import Section, opt, record, section

_PAIRS = (
    ("smtp_auth_password", "smtp_auth_password_file"),
    ("smtp_auth_secret", "smtp_auth_secret_file"),
    ("slack_api_url", "slack_api_url_file"),
    ("slack_app_token", "slack_app_token_file"),
    ("opsgenie_api_key", "opsgenie_api_key_file"),
    ("wechat_api_secret", "wechat_api_secret_file"),
    ("victorops_api_key", "victorops_api_key_file"),
    ("telegram_bot_token", "telegram_bot_token_file"),
    ("rocketchat_token", "rocketchat_token_file"),
    ("rocketchat_token_id", "rocketchat_token_id_file"),
    ("mattermost_webhook_url", "mattermost_webhook_url_file"),
)


def _host_port(at: At) -> str:
    text = at.text()
    if not text:
        return ""
    host, colon, port = text.rpartition(":")
    if not colon:
        at.fail(f"address {text}: missing port in address")
    if not port:
        at.fail(f'address "{text}": port cannot be empty')
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        at.fail(f"address {text}: too many colons in address")
    return text


host_port: Kind[str] = Kind(_host_port, lambda text: text, "")


@record
class GlobalConfig(Section):
    """Defaults of all receivers."""

    resolve_timeout_ms: int = opt(kinds.duration, 300_000, key="resolve_timeout", always=True)
    http_config: HttpClientConfig = opt(
        section(HttpClientConfig), HttpClientConfig(), key="http_config", always=True
    )
    jira_api_url: str = opt(own.absolute_url, "")
    smtp_from: str = opt(kinds.string, "")
    smtp_hello: str = opt(kinds.string, "localhost", always=True)
    smtp_smarthost: str = opt(host_port, "")
    smtp_auth_username: str = opt(kinds.string, "")
    smtp_auth_password: Secret = opt(kinds.secret, own.NO_SECRET)
    smtp_auth_password_file: str = opt(kinds.path, "")
    smtp_auth_secret: Secret = opt(kinds.secret, own.NO_SECRET)
    smtp_auth_secret_file: str = opt(kinds.path, "")
    smtp_auth_identity: str = opt(kinds.string, "")
    smtp_require_tls: bool = opt(kinds.boolean, True, always=True)
    smtp_tls_config: TLSConfig = opt(section(TLSConfig), TLSConfig())
    smtp_force_implicit_tls: bool | None = opt(own.maybe_kind(kinds.boolean), None)
    slack_api_url: Secret = opt(own.secret_url, own.NO_SECRET)
    slack_api_url_file: str = opt(kinds.path, "")
    slack_app_token: Secret = opt(kinds.secret, own.NO_SECRET)
    slack_app_token_file: str = opt(kinds.path, "")
    slack_app_url: str = opt(
        own.absolute_url, "https://slack.com/api/chat.postMessage", always=True
    )
    pagerduty_url: str = opt(
        own.absolute_url, "https://events.pagerduty.com/v2/enqueue", always=True
    )
    opsgenie_api_url: str = opt(own.absolute_url, "https://api.opsgenie.com/", always=True)
    opsgenie_api_key: Secret = opt(kinds.secret, own.NO_SECRET)
    opsgenie_api_key_file: str = opt(kinds.path, "")
    wechat_api_url: str = opt(own.absolute_url, "https://qyapi.weixin.qq.com/cgi-bin/", always=True)
    wechat_api_secret: Secret = opt(kinds.secret, own.NO_SECRET)
    wechat_api_secret_file: str = opt(kinds.path, "")
    wechat_api_corp_id: str = opt(kinds.string, "")
    victorops_api_url: str = opt(
        own.absolute_url,
        "https://alert.victorops.com/integrations/generic/20131114/alert/",
        always=True,
    )
    victorops_api_key: Secret = opt(kinds.secret, own.NO_SECRET)
    victorops_api_key_file: str = opt(kinds.path, "")
    telegram_api_url: str = opt(own.absolute_url, "https://api.telegram.org", always=True)
    telegram_bot_token: Secret = opt(kinds.secret, own.NO_SECRET)
    telegram_bot_token_file: str = opt(kinds.path, "")
    webex_api_url: str = opt(own.absolute_url, "https://webexapis.com/v1/messages", always=True)
    rocketchat_api_url: str = opt(own.absolute_url, "https://open.rocket.chat/", always=True)
    rocketchat_token: Secret = opt(kinds.secret, own.NO_SECRET)
    rocketchat_token_file: str = opt(kinds.path, "")
    rocketchat_token_id: Secret = opt(kinds.secret, own.NO_SECRET)
    rocketchat_token_id_file: str = opt(kinds.path, "")
    mattermost_webhook_url: Secret = opt(own.secret_url, own.NO_SECRET)
    mattermost_webhook_url_file: str = opt(kinds.path, "")

    def check(self, at: At) -> None:
        """Each secret comes from one place."""
        for value, file in _PAIRS:
            at_most_one(at, **{value: getattr(self, value), file: getattr(self, file)})

"""A receiver as it is written: a name, labels, and its integrations of every kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from promlab.alertmanager.config.global_ import GlobalConfig
from promlab.alertmanager.receivers.base import Integration
from promlab.alertmanager.receivers.discord import DiscordConfig
from promlab.alertmanager.receivers.email import EmailConfig
from promlab.alertmanager.receivers.incidentio import IncidentioConfig
from promlab.alertmanager.receivers.jira import JiraConfig
from promlab.alertmanager.receivers.mattermost import MattermostConfig
from promlab.alertmanager.receivers.msteams import MSTeamsConfig
from promlab.alertmanager.receivers.msteamsv2 import MSTeamsV2Config
from promlab.alertmanager.receivers.opsgenie import OpsgenieConfig
from promlab.alertmanager.receivers.pagerduty import PagerdutyConfig
from promlab.alertmanager.receivers.pushover import PushoverConfig
from promlab.alertmanager.receivers.rocketchat import RocketchatConfig
from promlab.alertmanager.receivers.slack import SlackConfig
from promlab.alertmanager.receivers.sns import SNSConfig
from promlab.alertmanager.receivers.telegram import TelegramConfig
from promlab.alertmanager.receivers.victorops import VictorOpsConfig
from promlab.alertmanager.receivers.webex import WebexConfig
from promlab.alertmanager.receivers.webhook import WebhookConfig
from promlab.alertmanager.receivers.wechat import WechatConfig
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.kinds import Kind
from promlab.config.section import Section, opt, record, sections

# In the order in which a configuration is printed.
KINDS: dict[str, type[Integration]] = {
    "discord": DiscordConfig, "email": EmailConfig, "incidentio": IncidentioConfig,
    "pagerduty": PagerdutyConfig, "slack": SlackConfig, "webhook": WebhookConfig,
    "opsgenie": OpsgenieConfig, "wechat": WechatConfig, "pushover": PushoverConfig,
    "victorops": VictorOpsConfig, "sns": SNSConfig, "telegram": TelegramConfig,
    "webex": WebexConfig, "msteams": MSTeamsConfig, "msteamsv2": MSTeamsV2Config,
    "jira": JiraConfig, "rocketchat": RocketchatConfig, "mattermost": MattermostConfig,
}  # fmt: skip


def _many(cls: type[Integration]) -> Kind[tuple[Any, ...]]:
    return sections(cls, "an empty receiver configuration")


@record
class ReceiverConfig(Section):
    """A receiver. Without integrations it swallows what it gets."""

    name: str = opt(kinds.string, "")
    labels: Mapping[str, str] = opt(kinds.labels, {})
    discord_configs: tuple[DiscordConfig, ...] = opt(_many(DiscordConfig), ())
    email_configs: tuple[EmailConfig, ...] = opt(_many(EmailConfig), ())
    incidentio_configs: tuple[IncidentioConfig, ...] = opt(_many(IncidentioConfig), ())
    pagerduty_configs: tuple[PagerdutyConfig, ...] = opt(_many(PagerdutyConfig), ())
    slack_configs: tuple[SlackConfig, ...] = opt(_many(SlackConfig), ())
    webhook_configs: tuple[WebhookConfig, ...] = opt(_many(WebhookConfig), ())
    opsgenie_configs: tuple[OpsgenieConfig, ...] = opt(_many(OpsgenieConfig), ())
    wechat_configs: tuple[WechatConfig, ...] = opt(_many(WechatConfig), ())
    pushover_configs: tuple[PushoverConfig, ...] = opt(_many(PushoverConfig), ())
    victorops_configs: tuple[VictorOpsConfig, ...] = opt(_many(VictorOpsConfig), ())
    sns_configs: tuple[SNSConfig, ...] = opt(_many(SNSConfig), ())
    telegram_configs: tuple[TelegramConfig, ...] = opt(_many(TelegramConfig), ())
    webex_configs: tuple[WebexConfig, ...] = opt(_many(WebexConfig), ())
    msteams_configs: tuple[MSTeamsConfig, ...] = opt(_many(MSTeamsConfig), ())
    msteamsv2_configs: tuple[MSTeamsV2Config, ...] = opt(_many(MSTeamsV2Config), ())
    jira_configs: tuple[JiraConfig, ...] = opt(_many(JiraConfig), ())
    rocketchat_configs: tuple[RocketchatConfig, ...] = opt(_many(RocketchatConfig), ())
    mattermost_configs: tuple[MattermostConfig, ...] = opt(_many(MattermostConfig), ())

    def check(self, at: At) -> None:
        """A receiver has a name."""
        if not self.name:
            at.fail("missing name in receiver")
        if self.labels.get("name", self.name) != self.name:
            at.get("labels").fail("the label name is the receiver's own: leave it out")

    def integrations(self) -> Iterator[tuple[str, int, Integration]]:
        """Kind, index within the kind, and configuration of each."""
        for kind in KINDS:
            for index, config in enumerate(getattr(self, f"{kind}_configs")):
                yield kind, index, config

    def settled(self, base: GlobalConfig, at: At) -> ReceiverConfig:
        """The same with everything filled in that `global` gives; refuses what then lacks."""
        changed: dict[str, Any] = {"labels": {**self.labels, "name": self.name}}
        for kind in KINDS:
            field = f"{kind}_configs"
            found = getattr(self, field)
            if found:
                places = at.get(field).items()
                changed[field] = tuple(
                    config.settled(base, place) for config, place in zip(found, places, strict=True)
                )
        return replace(self, **changed)

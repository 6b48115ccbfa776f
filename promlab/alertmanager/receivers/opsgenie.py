"""Opsgenie: creates an alert when a group fires, closes it when it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from promlab.alertmanager.config import kinds as own
from promlab.alertmanager.receivers.attachments import without_empty
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

MAX_MESSAGE = 130
_TYPES = ("team", "teams", "user", "escalation", "schedule")


@record
class OpsgenieResponder(Section):
    """Who is to look after an alert."""

    id: str = opt(kinds.string, "")
    name: str = opt(kinds.string, "")
    username: str = opt(kinds.string, "")
    type: str = opt(kinds.string, "")

    def check(self, at: At) -> None:
        """Somebody, of a known type."""
        if not (self.id or self.name or self.username):
            at.fail(
                "opsGenieConfig responder has to have at least one of id, username or name "
                "specified"
            )
        if "{{" not in self.type and self.type.lower() not in _TYPES:
            at.fail(
                f"opsGenieConfig responder type {self.type!r} does not match valid options "
                f"{'|'.join(_TYPES)}"
            )


@record
class OpsgenieConfig(Integration):
    """opsgenie_configs."""

    api_key: Secret = secret()
    api_key_file: str = path()
    api_url: str = opt(own.absolute_url, "")
    message: str = template('{{ template "opsgenie.default.message" . }}')
    description: str = template('{{ template "opsgenie.default.description" . }}')
    source: str = template('{{ template "opsgenie.default.source" . }}')
    details: Mapping[str, str] = opt(own.templates, {})
    entity: str = opt(kinds.string, "")
    responders: tuple[OpsgenieResponder, ...] = opt(
        sections(OpsgenieResponder, "an empty responder"), ()
    )
    actions: str = opt(kinds.string, "")
    tags: str = opt(kinds.string, "")
    note: str = opt(kinds.string, "")
    priority: str = opt(kinds.string, "")
    update_alerts: bool = opt(kinds.boolean, False)

    def check(self, at: At) -> None:
        """One key."""
        both(at, self, "api_key", "api_key_file")

    def _from_global(self, base: GlobalConfig, at: At) -> Mapping[str, Any]:
        changed = inherited(
            self, base, "api_key", "api_key_file", "opsgenie_api_key", "opsgenie_api_key_file"
        )
        if changed and not any(changed.values()):
            at.fail("no global OpsGenie API Key set either inline or in a file")
        return {**changed, "api_url": (self.api_url or base.opsgenie_api_url).rstrip("/") + "/"}

    def notifier(self, client: Client) -> Notifier:
        """Creates and closes alerts."""
        return OpsgenieNotifier(self, client)


class OpsgenieNotifier(Notifier):
    """Creates, updates and closes alerts, which the group's key names."""

    def __init__(self, config: OpsgenieConfig, client: Client) -> None:
        super().__init__(client)
        self._config = config

    async def notify(self, notice: Notice) -> None:
        """Create (and update, if so configured) or close an alert."""
        key = notice.exact(await secret_or_file(self._config.api_key, self._config.api_key_file))
        if not key:
            raise NotifyError("the API key of Opsgenie is empty")
        for method, path_, payload in self._requests(notice):
            await self.post(
                f"{self._config.api_url}v2/alerts{path_}",
                payload,
                headers={"Authorization": f"GenieKey {key}"},
                retry=(429,),
                method=method,
            )

    def _requests(self, notice: Notice) -> list[tuple[str, str, dict[str, Any]]]:
        config, text, alias = self._config, notice.text, notice.key_hash
        by_alias = "?identifierType=alias"
        if not notice.firing:
            payload = without_empty(source=text(config.source))
            return [("POST", f"/{alias}/close{by_alias}", payload)]
        message = cut(text(config.message), MAX_MESSAGE)
        description = text(config.description)
        created = {
            "alias": alias,
            "message": message,
            **without_empty(
                description=description,
                details={
                    **notice.data.common_labels,
                    **{key: text(value) for key, value in config.details.items()},
                },
                source=text(config.source),
                responders=self._responders(notice),
                tags=_list(text(config.tags)),
                note=text(config.note),
                priority=text(config.priority),
                entity=text(config.entity),
                actions=_list(text(config.actions)),
            ),
        }
        requests: list[tuple[str, str, dict[str, Any]]] = [("POST", "", created)]
        if config.update_alerts:
            requests += [
                ("PUT", f"/{alias}/message{by_alias}", {"message": message}),
                ("PUT", f"/{alias}/description{by_alias}", {"description": description}),
            ]
        return requests

    def _responders(self, notice: Notice) -> list[dict[str, Any]]:
        found = []
        for responder in self._config.responders:
            made = without_empty(**{
                name: notice.text(getattr(responder, name))
                for name in ("id", "name", "username", "type")
            })  # fmt: skip
            if made.get("type") == "teams":  # a list of teams in one text
                names = _list(made.get("name", ""))
                found += [{"name": name, "type": "team"} for name in names]
            elif len(made) > 1:
                found.append(made)
        return found


def _list(text: str) -> list[str]:
    return text.strip().strip(",").split(",") if text.strip() else []

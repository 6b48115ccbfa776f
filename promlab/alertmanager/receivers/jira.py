"""Jira: one issue a group, updated while it changes, moved when it ends or begins again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from promlab.alertmanager.config import kinds as own
from promlab.alertmanager.receivers.base import Integration, Notifier, cut, template
from promlab.alertmanager.receivers.client import JSON, Client, check
from promlab.alertmanager.receivers.errors import NotifyError
from promlab.alertmanager.receivers.webhook import as_json, expanded
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.kinds import Kind
from promlab.config.section import Section, opt, record

if TYPE_CHECKING:
    from promlab.alertmanager.config.global_ import GlobalConfig
    from promlab.alertmanager.notify.notice import Notice

MAX_SUMMARY, MAX_DESCRIPTION = 255, 32_767


@record
class JiraField(Section):
    """A text of an issue, and whether later notifications change it."""

    template: str = opt(kinds.string, "")
    enable_update: bool = opt(kinds.boolean, True)


def _field(default: str) -> JiraField:
    base = JiraField(template=default)

    def read(at: At) -> JiraField:
        if at.tag != "map":
            return JiraField(template=at.text())
        found = JiraField.read(at)
        return JiraField(template=found.template or default, enable_update=found.enable_update)

    kind: Kind[JiraField] = Kind(read, lambda value: value.plain(), base)
    return opt(kind, base, always=True)


@record
class JiraConfig(Integration):
    """jira_configs."""

    api_url: str = opt(own.absolute_url, "")
    api_type: str = opt(kinds.string, "auto", always=True)
    project: str = opt(kinds.string, "")
    summary: JiraField = _field('{{ template "jira.default.summary" . }}')
    description: JiraField = _field('{{ template "jira.default.description" . }}')
    labels: tuple[str, ...] = opt(kinds.strings, ())
    priority: str = template('{{ template "jira.default.priority" . }}')
    issue_type: str = opt(kinds.string, "")
    reopen_transition: str = opt(kinds.string, "")
    resolve_transition: str = opt(kinds.string, "")
    wont_fix_resolution: str = opt(kinds.string, "")
    reopen_duration_ms: int = opt(kinds.duration, 0, key="reopen_duration")
    fields: Mapping[str, Any] = opt(own.open_map, {})

    def check(self, at: At) -> None:
        """Where an issue goes, and what it is."""
        if not self.project:
            at.fail("missing project in jira_config")
        if not self.issue_type:
            at.fail("missing issue_type in jira_config")
        if self.api_type not in ("auto", "cloud", "datacenter"):
            at.get("api_type").fail(
                "unknown api_type on jira_config, must be auto, cloud or datacenter"
            )

    def _from_global(self, base: GlobalConfig, at: At) -> Mapping[str, Any]:
        url = self.api_url or base.jira_api_url
        if not url:
            at.fail("no global Jira Cloud URL set")
        return {"api_url": url}

    def notifier(self, client: Client) -> Notifier:
        """Keeps issues."""
        return JiraNotifier(self, client)


class JiraNotifier(Notifier):
    """Finds the issue of a group by a label, and creates, changes and moves it."""

    def __init__(self, config: JiraConfig, client: Client) -> None:
        super().__init__(client)
        self._config = config
        self._base = config.api_url.rstrip("/")
        host = urlsplit(config.api_url).hostname or ""
        self._cloud = config.api_type == "cloud" or (
            config.api_type == "auto" and host.endswith("atlassian.net")
        )

    async def notify(self, notice: Notice) -> None:
        """Bring the issue to what the group is now."""
        found = await self._search(notice)
        if found is None:
            if notice.firing:
                await self._call("POST", "issue", {"fields": self._fields(notice, new=True)})
            return
        key = found["key"]
        fields = self._fields(notice, new=False)
        await self._call("PUT", f"issue/{key}", {"fields": fields})
        done = found.get("fields", {}).get("status", {}).get("statusCategory", {}).get("key")
        name = self._config.resolve_transition
        if notice.firing:
            name = self._config.reopen_transition if done == "done" else ""
        elif done == "done":
            name = ""
        if name:
            await self._move(key, notice.text(name))

    async def _search(self, notice: Notice) -> dict[str, Any] | None:
        config = self._config
        label = f"ALERT{{{notice.key_hash}}}"
        parts = []
        if config.wont_fix_resolution:
            wont_fix = _quoted(notice.text(config.wont_fix_resolution))
            parts.append(f"(resolution is EMPTY or resolution != {wont_fix})")
        if config.reopen_transition and notice.firing:
            if config.reopen_duration_ms:
                minutes = config.reopen_duration_ms // 60_000
                parts.append(f"(resolutiondate is EMPTY OR resolutiondate >= -{minutes}m)")
        else:
            parts.append("statusCategory != Done")
        parts += [f"project={_quoted(notice.text(config.project))}", f"labels={_quoted(label)}"]
        jql = " and ".join(parts) + " order by status ASC,resolutiondate DESC"
        query = {"jql": jql, "maxResults": 2, "fields": ["status"]}
        said = await self._call("POST", "search/jql" if self._cloud else "search", query)
        issues: Sequence[dict[str, Any]] = (
            said.get("issues") or () if isinstance(said, dict) else ()
        )
        return issues[0] if issues else None

    def _fields(self, notice: Notice, *, new: bool) -> dict[str, Any]:
        config, text = self._config, notice.text
        label = f"ALERT{{{notice.key_hash}}}"
        fields: dict[str, Any] = {
            **{key: expanded(value, notice) for key, value in config.fields.items()},
            "project": {"key": text(config.project)},
            "issuetype": {"name": text(config.issue_type)},
            "labels": sorted([*map(text, config.labels), label]),
        }
        if new or config.summary.enable_update:
            fields["summary"] = cut(text(config.summary.template), MAX_SUMMARY)
        if new or config.description.enable_update:
            description = text(config.description.template)
            if self._cloud:
                fields["description"] = _document(description)
            else:
                fields["description"] = cut(description, MAX_DESCRIPTION)
        priority = text(config.priority)
        if priority:
            fields["priority"] = {"name": priority}
        return fields

    async def _move(self, key: str, name: str) -> None:
        said = await self._call("GET", f"issue/{key}/transitions")
        transitions = said.get("transitions", []) if isinstance(said, dict) else []
        for transition in transitions:
            if transition.get("name") == name:
                body = {"transition": {"id": transition["id"]}}
                await self._call("POST", f"issue/{key}/transitions", body)
                return
        raise NotifyError(f"can't find transition {name} for issue {key}")

    async def _call(self, method: str, path: str, payload: Any = None) -> Any:
        body = b"" if payload is None else msgspec.json.encode(payload)
        headers = {**JSON, "Accept-Language": "en"}
        answer = await self.client.request(
            method, f"{self._base}/{path}", body=body, headers=headers
        )
        check(answer, (429,), _problem(answer.json()))
        return answer.json()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _document(text: str) -> Any:
    """A description as Jira Cloud takes it: a document, which the template may have made."""
    made = as_json(text)
    if isinstance(made, dict):
        return made
    paragraph = {
        "type": "paragraph",
        "content": [{"type": "text", "text": cut(text, MAX_DESCRIPTION) or " "}],
    }
    return {"version": 1, "type": "doc", "content": [paragraph]}


def _problem(said: Any) -> str:
    if not isinstance(said, dict):
        return ""
    messages = [*map(str, said.get("errorMessages") or [])]
    errors = said.get("errors")
    if isinstance(errors, dict):
        messages += [f"{name}: {text}" for name, text in errors.items()]
    return "; ".join(messages)

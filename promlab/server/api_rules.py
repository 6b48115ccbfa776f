"""/api/v1/rules, /alerts, /alertmanagers: what is evaluated, what holds, who is told."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from promlab.model.matchers import Matcher
from promlab.server.context import Context
from promlab.server.envelope import ApiError, bad_parameter, success
from promlab.server.http import Request, Response
from promlab.server.params import matcher_sets

_MATCH = 'invalid parameter "match[]": '
_KINDS = {"": "", "alert": "alerting", "record": "recording"}
_INTEGER = re.compile(r"[+-]?\d{1,18}\Z", re.ASCII)
_TRUE, _FALSE = {"1", "t", "true"}, {"", "0", "f", "false"}


async def rules(context: Context, request: Request) -> Response:
    """Groups and their rules, by file and name; those with none that pass are left out."""
    from promlab.rules.status import group_status, rule_status

    form = await request.form()
    sets = await _matcher_sets(request)
    names, groups, files = (form.get(f"{key}[]", []) for key in ("rule_name", "rule_group", "file"))
    wanted = (await request.param("type")).lower()
    if wanted not in _KINDS:
        raise bad_parameter("type", f'not supported value "{wanted}"')
    exclude = await _exclude_alerts(request)
    limit, token = await _page(request)
    found: list[dict[str, Any]] = []
    for group in context.evaluated().manager.groups():
        if (groups and group.name not in groups) or (files and group.file not in files):
            continue
        kept = [
            rule_status(rule, exclude_alerts=exclude)
            for rule in group.rules
            if _KINDS[wanted] in ("", rule.kind)
            and (not names or rule.name in names)
            and _passes(rule.labels, sets)
        ]
        if kept:
            found.append({**group_status(group, exclude_alerts=True), "rules": kept})
    return success(_one_page(found, limit, token))


def _passes(labels: dict[str, str], sets: list[list[Matcher]]) -> bool:
    """Whether a rule's labels pass one set; those that are templates have no value yet."""
    plain = {name: text for name, text in labels.items() if "{{" not in text}
    return not sets or any(
        all(matcher.matches(plain.get(matcher.name, "")) for matcher in matchers)
        for matchers in sets
    )


async def _matcher_sets(request: Request) -> list[list[Matcher]]:
    try:
        return await matcher_sets(request)
    except ApiError as error:
        # Here, and only here, the parameter is not named.
        raise ApiError(error.kind, error.message.removeprefix(_MATCH)) from None


async def _exclude_alerts(request: Request) -> bool:
    text = (await request.param("exclude_alerts")).lower()
    if text not in _TRUE | _FALSE:
        reason = f'strconv.ParseBool: parsing "{text}": invalid syntax'
        raise bad_parameter("exclude_alerts", f"error converting exclude_alerts: {reason}")
    return text in _TRUE


async def _page(request: Request) -> tuple[int, str]:
    """How many groups to answer (0 for all), and the token of the first."""
    text, token = await request.param("group_limit"), await request.param("group_next_token")
    if not text:
        if token:
            message = "group_limit needs to be present in order to paginate over the groups"
            raise bad_parameter("group_next_token", message)
        return 0, ""
    if not _INTEGER.match(text):
        reason = f'strconv.ParseInt: parsing "{text}": invalid syntax'
        message = f"group_limit needs to be a valid number: {reason}"
        raise bad_parameter("group_limit", message)
    limit = int(text)
    if limit <= 0:
        raise bad_parameter("group_limit", "group_limit needs to be greater than 0")
    return limit, token


def _one_page(groups: list[dict[str, Any]], limit: int, token: str) -> dict[str, Any]:
    first = 0
    if token:
        tokens = [_token(group) for group in groups]
        if token not in tokens:
            message = f"invalid group_next_token '{token}'. were rule groups changed?"
            raise bad_parameter("group_next_token", message)
        first = tokens.index(token)
    if not limit or first + limit >= len(groups):
        return {"groups": groups[first:]}
    following = groups[first + limit]
    return {"groups": groups[first : first + limit], "groupNextToken": _token(following)}


def _token(group: dict[str, Any]) -> str:
    key = f"{group['file']};{group['name']}"
    return hashlib.sha1(key.encode(errors="replace"), usedforsecurity=False).hexdigest()


async def alerts(context: Context, _request: Request) -> Response:
    """Alerts that are pending or firing."""
    from promlab.rules.status import alert_status

    active = context.evaluated().manager.active_alerts()
    return success({"alerts": [alert_status(alert) for alert in active]})


async def alertmanagers(context: Context, _request: Request) -> Response:
    """Who is told of alerts, and who was found and relabelled away."""
    notifier = context.evaluated().notifier
    return success(
        {
            "activeAlertmanagers": [{"url": url} for url in notifier.active_urls],
            "droppedAlertmanagers": [{"url": url} for url in notifier.dropped_urls],
        }
    )

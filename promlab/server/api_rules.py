"""/api/v1/rules, /alerts, /alertmanagers: what is evaluated, what holds, who is told."""

from __future__ import annotations

import re

from promlab.server.context import Context
from promlab.server.envelope import ApiError, bad_parameter, success
from promlab.server.params import matcher_sets
from promlab.web.http import Request, Response

_INTEGER = re.compile(r"[+-]?\d{1,18}\Z", re.ASCII)
_TRUE, _FALSE = {"1", "t", "true"}, {"", "0", "f", "false"}


async def rules(context: Context, request: Request) -> Response:
    """Groups and their rules, by file and name."""
    from promlab.rules.listing import BadListing, RulesQuery, list_rules

    form = await request.form()
    query = RulesQuery(
        kind=(await request.param("type")).lower(),
        rule_names=form.get("rule_name[]", []),
        group_names=form.get("rule_group[]", []),
        files=form.get("file[]", []),
        matchers=matcher_sets(form, named=False),
        exclude_alerts=await _exclude_alerts(request),
        group_limit=await _group_limit(request),
        group_next_token=await request.param("group_next_token"),
    )
    try:
        return success(list_rules((await context.evaluated()).manager.groups(), query))
    except BadListing as error:
        raise ApiError("bad_data", str(error)) from None


async def _exclude_alerts(request: Request) -> bool:
    text = (await request.param("exclude_alerts")).lower()
    if text not in _TRUE | _FALSE:
        reason = f'strconv.ParseBool: parsing "{text}": invalid syntax'
        raise bad_parameter("exclude_alerts", f"error converting exclude_alerts: {reason}")
    return text in _TRUE


async def _group_limit(request: Request) -> int:
    """How many groups to answer at most; 0 for all."""
    text = await request.param("group_limit")
    if not text:
        return 0
    if not _INTEGER.match(text):
        reason = f'strconv.ParseInt: parsing "{text}": invalid syntax'
        message = f"group_limit needs to be a valid number: {reason}"
        raise bad_parameter("group_limit", message)
    # What is given as 0 is refused as any other number that is not positive.
    return int(text) or -1


async def alerts(context: Context, _request: Request) -> Response:
    """Alerts that are pending or firing."""
    from promlab.rules.status import alert_status

    active = (await context.evaluated()).manager.active_alerts()
    return success({"alerts": [alert_status(alert) for alert in active]})


async def alertmanagers(context: Context, _request: Request) -> Response:
    """Who is told of alerts, and who was found and relabelled away."""
    notifier = (await context.evaluated()).notifier
    return success(
        {
            "activeAlertmanagers": [{"url": url} for url in notifier.active_urls],
            "droppedAlertmanagers": [{"url": url} for url in notifier.dropped_urls],
        }
    )

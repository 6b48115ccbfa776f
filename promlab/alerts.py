"""Alerts in a notebook: where they go, what is silenced, when they fired.

    promlab.alerts.route({"alertname": "Down", "team": "db"})     the routing tree, way lit
    promlab.alerts.silences()                                     silences, to look at and end
    promlab.alerts.timeline("1h")                                 when alerts were pending, firing

The Alertmanager is that of `promlab.lab.alertmanager()`, the server that of `promlab.start()`,
unless others are named.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from promlab.errors import NotRunning

if TYPE_CHECKING:
    from promlab.client import Client
    from promlab.client.times import DurationLike
    from promlab.lab.alertmanager_process import LabAlertmanager
    from promlab.lab.routing_picture import RoutePicture
    from promlab.widgets.alerting import AlertTimeline, SilenceList

__all__ = ["route", "silences", "timeline"]


def route(
    labels: Mapping[str, str], config: str | os.PathLike[str] | Mapping[str, Any] | None = None
) -> RoutePicture:
    """The routing tree with the way of an alert with these labels lit.

    `config` is a path, YAML text or a dict; without it, the configuration of the Alertmanager
    that runs. Raises ConfigError, NotRunning.
    """
    if config is None:
        return _alertmanager(None).route(labels)
    from promlab.alertmanager.config import load, load_text
    from promlab.lab.routing_picture import RoutePicture
    from promlab.lab.setup import read_config

    source = read_config(config)
    found = load(source.path) if source.path is not None else load_text(source.text)
    return RoutePicture(found, labels)


def silences(alertmanager: LabAlertmanager | None = None) -> SilenceList:
    """A list of silences that keeps itself fresh, with a form and buttons that end them."""
    from promlab.widgets.alerting import SilenceList

    found = _alertmanager(alertmanager)
    return SilenceList(found.silences, found.silence, found.expire, found.alerts)


def timeline(
    last: DurationLike = "1h", *, client: Client | None = None, matchers: str = ""
) -> AlertTimeline:
    """When alerts were pending and firing; `matchers` chooses, such as 'severity="page"'."""
    from promlab.widgets.alerting import AlertTimeline

    if client is None:
        from promlab.lab.session import running

        lab = running()
        if lab is None:
            raise NotRunning("no server runs: call promlab.start(), or name a client")
        client = lab.client
    return AlertTimeline(client, last, matchers)


def _alertmanager(given: LabAlertmanager | None) -> LabAlertmanager:
    from promlab.lab.alertmanager_process import running

    found = given or running()
    if found is None:
        raise NotRunning("no Alertmanager runs: call promlab.lab.alertmanager()")
    return found

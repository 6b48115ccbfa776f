"""The `alerting` section: which Alertmanagers get alerts, and how these are relabelled."""

from __future__ import annotations

from typing import Any

from promlab.config import kinds
from promlab.config.cloud_auth import SigV4
from promlab.config.discovery_sections import DiscoverySections
from promlab.config.document import At
from promlab.config.http_client import HttpClientConfig
from promlab.config.kinds import Kind
from promlab.config.relabel import RelabelConfig
from promlab.config.section import Section, inline, maybe, opt, record, sections


def _api_version(at: At) -> str:
    text = at.text()
    if text != "v2":
        at.fail(f"expected Alertmanager api version to be one of [v2] but got {text}")
    return text


api_version: Kind[str] = Kind(_api_version, lambda text: text, "", shape={"enum": ["v2", None]})


@record
class AlertmanagerConfig(Section):
    """A set of Alertmanagers."""

    http: HttpClientConfig = inline(HttpClientConfig)
    sigv4: SigV4 | None = opt(maybe(SigV4), None)
    discovery: DiscoverySections = inline(DiscoverySections)
    scheme: str = opt(kinds.string, "http", always=True)
    path_prefix: str = opt(kinds.string, "")
    timeout_ms: int = opt(kinds.duration, 10_000, key="timeout", always=True)
    api_version: str = opt(api_version, "v2", always=True)
    relabel_configs: tuple[RelabelConfig, ...] = opt(
        sections(RelabelConfig, "empty or null Alertmanager target relabeling rule"), ()
    )
    alert_relabel_configs: tuple[RelabelConfig, ...] = opt(
        sections(RelabelConfig, "empty or null Alertmanager alert relabeling rule"), ()
    )

    def check(self, at: At) -> None:
        """At most one way to authenticate."""
        others = (self.http.basic_auth, self.http.bearer, self.http.oauth2)
        if self.sigv4 is not None and any(others):
            at.get("sigv4").fail(
                "at most one of basic_auth, authorization, oauth2, & sigv4 must be configured"
            )


@record
class AlertingConfig(Section):
    """Alertmanagers, and rules that all alerts go through."""

    alert_relabel_configs: tuple[RelabelConfig, ...] = opt(
        sections(RelabelConfig, "empty or null alert relabeling rule"), ()
    )
    alertmanagers: tuple[AlertmanagerConfig, ...] = opt(
        sections(AlertmanagerConfig, "empty or null Alertmanager config"), ()
    )

    def plain(self) -> dict[str, Any]:
        """As YAML can hold it."""
        return dict(self._plain())

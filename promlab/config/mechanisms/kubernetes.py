"""Kubernetes: which objects of a cluster, and how to get at its API server."""

from __future__ import annotations

from typing import ClassVar

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.http_client import HttpClientConfig
from promlab.config.mechanisms.base import Mechanism, needs_address
from promlab.config.section import Section, inline, opt, record, section, sections

ROLES = ("node", "pod", "service", "endpoints", "endpointslice", "ingress")
# Which objects a role's selectors may name.
LOOKS_AT = {
    "node": ("node",),
    "pod": ("pod", "node"),
    "service": ("service",),
    "endpoints": ("endpoints", "pod", "service"),
    "endpointslice": ("endpointslice", "pod", "service"),
    "ingress": ("ingress",),
}


@record
class Namespaces(Section):
    """Where to look; everywhere if nothing is said."""

    own_namespace: bool = opt(kinds.boolean, False)
    names: tuple[str, ...] = opt(kinds.strings, ())


@record
class Selector(Section):
    """Which objects of a role to ask for."""

    role: str = opt(kinds.offered(*ROLES), "", always=True)
    label: str = opt(kinds.string, "")
    field: str = opt(kinds.string, "")


@record
class AttachMetadata(Section):
    """What else to say about each target."""

    node: bool = opt(kinds.boolean, False, always=True)
    namespace: bool = opt(kinds.boolean, False)


@record
class Kubernetes(Mechanism):
    """Objects of one role in a cluster."""

    mechanism: ClassVar[str] = "kubernetes"
    required: ClassVar[tuple[str, ...]] = ("role",)
    api_server: str = opt(kinds.url, "")
    role: str = opt(kinds.offered(*ROLES), "", always=True)
    kubeconfig_file: str = opt(kinds.path, "")
    namespaces: Namespaces = opt(section(Namespaces), Namespaces())
    selectors: tuple[Selector, ...] = opt(sections(Selector, "empty or null selector"), ())
    attach_metadata: AttachMetadata = opt(section(AttachMetadata), AttachMetadata())
    http: HttpClientConfig = inline(HttpClientConfig)

    def check(self, at: At) -> None:
        """A role, one way to reach the API server, selectors for what the role looks at."""
        if not self.role:
            at.get("role").fail(f"role missing (one of: {', '.join(ROLES)})")
        if self.role not in ROLES:
            at.get("role").fail(
                f"unknown Kubernetes SD role {self.role!r}: it must be one of {', '.join(ROLES)}"
            )
        self._check_access(at)
        self._check_selectors(at)

    def _check_access(self, at: At) -> None:
        own = self.http != HttpClientConfig()
        if self.kubeconfig_file and self.api_server:
            at.get("api_server").fail(
                "cannot use 'kubeconfig_file' and 'api_server' simultaneously"
            )
        if self.kubeconfig_file and own:
            at.get("kubeconfig_file").fail(
                "cannot use a custom HTTP client configuration together with 'kubeconfig_file'"
            )
        if own and not self.api_server:
            at.fail(
                "to use custom HTTP client configuration please provide the 'api_server' URL "
                "explicitly"
            )
        if self.api_server:
            needs_address(at.get("api_server"), self.api_server, "kubernetes_sd")
        if self.api_server and self.namespaces.own_namespace:
            at.get("namespaces").fail(
                "cannot use 'api_server' and 'namespaces.own_namespace' simultaneously"
            )
        if self.kubeconfig_file and self.namespaces.own_namespace:
            at.get("namespaces").fail(
                "cannot use 'kubeconfig_file' and 'namespaces.own_namespace' simultaneously"
            )

    def _check_selectors(self, at: At) -> None:
        seen: set[str] = set()
        places = at.get("selectors").items() if self.selectors else []
        allowed = LOOKS_AT[self.role]
        for place, each in zip(places, self.selectors, strict=True):
            if each.role in seen:
                place.fail(f"duplicated selector role: {each.role}")
            seen.add(each.role)
            if each.role not in allowed:
                place.get("role").fail(
                    f"{self.role} role supports only {', '.join(allowed)} selectors"
                )
            _check_label(place.get("label"), each.label)
            _check_field(place.get("field"), each.field)


def _check_label(at: At, text: str) -> None:
    for part in filter(None, (part.strip() for part in text.replace(")", "(").split("("))):
        if part.startswith(("=", "!=")) or " = = " in part:
            at.fail(f"{text!r} is not a label selector")


def _check_field(at: At, text: str) -> None:
    for part in filter(None, text.split(",")):
        name, found, value = part.partition("=")
        if not found or not name.strip("! ") or value.startswith("=="):
            at.fail(f"invalid field selector: {text!r}: write field=value or field!=value")

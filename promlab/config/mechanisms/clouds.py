"""Clouds with ways of their own to authenticate: Azure, Google, OpenStack, Triton, Oracle."""

from __future__ import annotations

from typing import ClassVar

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.http_client import TLSConfig, at_most_one
from promlab.config.mechanisms.base import Asked, Refreshed, needs, port
from promlab.config.secret import Secret
from promlab.config.section import opt, record, section

_AZURE_METHODS = ("OAuth", "ManagedIdentity", "SDK", "WorkloadIdentity")
_OPENSTACK_ROLES = ("hypervisor", "instance", "loadbalancer")
_AVAILABILITY = ("public", "internal", "admin")
_OCI_METHODS = ("api_key", "instance_principal")
_TRITON_ROLES = ("container", "cn")


@record
class Azure(Asked):
    """Virtual machines of Azure."""

    mechanism: ClassVar[str] = "azure"
    required: ClassVar[tuple[str, ...]] = ("subscription_id",)
    environment: str = opt(kinds.string, "AzurePublicCloud", always=True)
    authentication_method: str = opt(kinds.offered(*_AZURE_METHODS), "OAuth", always=True)
    subscription_id: str = opt(kinds.string, "", always=True)
    tenant_id: str = opt(kinds.string, "")
    client_id: str = opt(kinds.string, "")
    client_secret: Secret = opt(kinds.secret, Secret(""))
    resource_group: str = opt(kinds.string, "")
    refresh_interval_ms: int = opt(kinds.duration, 300_000, key="refresh_interval", always=True)
    port: int = opt(port, 80, always=True)

    def check(self, at: At) -> None:
        """A subscription, and who may see it."""
        Asked.check(self, at)
        what = "azure SD configuration"
        needs(at, what, subscription_id=self.subscription_id)
        if self.authentication_method not in _AZURE_METHODS:
            names = ", ".join(_AZURE_METHODS)
            at.get("authentication_method").fail(
                f"unknown authentication_type {self.authentication_method!r}: "
                f"supported types are {names}"
            )
        if self.authentication_method == "OAuth":
            needs(
                at,
                what,
                tenant_id=self.tenant_id,
                client_id=self.client_id,
                client_secret=self.client_secret,
            )


@record
class Gce(Refreshed):
    """Instances of Google Compute Engine."""

    mechanism: ClassVar[str] = "gce"
    required: ClassVar[tuple[str, ...]] = ("project", "zone")
    project: str = opt(kinds.string, "", always=True)
    zone: str = opt(kinds.string, "", always=True)
    filter: str = opt(kinds.string, "")
    port: int = opt(port, 80, always=True)
    tag_separator: str = opt(kinds.string, ",", always=True)

    def check(self, at: At) -> None:
        """Which project and zone."""
        Refreshed.check(self, at)
        needs(at, "GCE SD configuration", project=self.project, zone=self.zone)


@record
class OpenStack(Refreshed):
    """Instances, hypervisors or load balancers of an OpenStack cloud."""

    mechanism: ClassVar[str] = "openstack"
    required: ClassVar[tuple[str, ...]] = ("role", "region")
    identity_endpoint: str = opt(kinds.url, "")
    username: str = opt(kinds.string, "")
    userid: str = opt(kinds.string, "")
    password: Secret = opt(kinds.secret, Secret(""))
    project_name: str = opt(kinds.string, "")
    project_id: str = opt(kinds.string, "")
    domain_name: str = opt(kinds.string, "")
    domain_id: str = opt(kinds.string, "")
    application_credential_name: str = opt(kinds.string, "")
    application_credential_id: str = opt(kinds.string, "")
    application_credential_secret: Secret = opt(kinds.secret, Secret(""))
    role: str = opt(kinds.offered(*_OPENSTACK_ROLES), "", always=True)
    region: str = opt(kinds.string, "", always=True)
    port: int = opt(port, 80, always=True)
    all_tenants: bool = opt(kinds.boolean, False)
    tls_config: TLSConfig = opt(section(TLSConfig), TLSConfig())
    availability: str = opt(kinds.offered(*_AVAILABILITY), "public", always=True)

    def check(self, at: At) -> None:
        """What to look for, where."""
        Refreshed.check(self, at)
        if self.availability not in _AVAILABILITY:
            names = ", ".join(_AVAILABILITY)
            at.get("availability").fail(
                f"unknown availability {self.availability}, must be one of {names}"
            )
        if self.role not in _OPENSTACK_ROLES:
            names = ", ".join(_OPENSTACK_ROLES)
            at.get("role").fail(f"unknown role {self.role!r}: it must be one of {names}")
        needs(at, "openstack SD configuration", region=self.region)


@record
class Triton(Refreshed):
    """Containers or compute nodes of Triton."""

    mechanism: ClassVar[str] = "triton"
    required: ClassVar[tuple[str, ...]] = ("account", "dns_suffix", "endpoint")
    account: str = opt(kinds.string, "", always=True)
    role: str = opt(kinds.offered(*_TRITON_ROLES), "container", always=True)
    dns_suffix: str = opt(kinds.string, "", always=True)
    endpoint: str = opt(kinds.string, "", always=True)
    groups: tuple[str, ...] = opt(kinds.strings, ())
    port: int = opt(port, 9163, always=True)
    version: int = opt(kinds.integer, 1, always=True)
    tls_config: TLSConfig = opt(section(TLSConfig), TLSConfig())

    def check(self, at: At) -> None:
        """Where to ask, and what for."""
        Refreshed.check(self, at)
        if self.role not in _TRITON_ROLES:
            at.get("role").fail("triton SD configuration requires role to be 'container' or 'cn'")
        needs(
            at,
            "triton SD configuration",
            account=self.account,
            dns_suffix=self.dns_suffix,
            endpoint=self.endpoint,
        )
        if self.version < 1:
            at.get("version").fail("triton SD configuration requires version to be at least 1")


@record
class Oci(Asked):
    """Instances of Oracle's cloud."""

    mechanism: ClassVar[str] = "oci"
    required: ClassVar[tuple[str, ...]] = ("region",)
    auth: str = opt(kinds.offered(*_OCI_METHODS), "api_key", always=True)
    tenancy: str = opt(kinds.string, "")
    user: str = opt(kinds.string, "")
    fingerprint: str = opt(kinds.string, "")
    key_file: str = opt(kinds.path, "")
    key_passphrase: Secret = opt(kinds.secret, Secret(""))
    key_passphrase_file: str = opt(kinds.path, "")
    region: str = opt(kinds.string, "", always=True)
    compartments: tuple[str, ...] = opt(kinds.strings, ())
    port: int = opt(port, 80, always=True)

    def check(self, at: At) -> None:
        """Where to look, as whom."""
        Asked.check(self, at)
        needs(at, "oci_sd", region=self.region)
        if self.auth not in _OCI_METHODS:
            names = ", ".join(_OCI_METHODS)
            at.get("auth").fail(f"unknown auth method {self.auth!r}: it must be one of {names}")
        own = {
            "tenancy": self.tenancy,
            "user": self.user,
            "fingerprint": self.fingerprint,
            "key_file": self.key_file,
        }
        secret, file = self.key_passphrase, self.key_passphrase_file
        if self.auth == "api_key":
            needs(at, "oci_sd: api_key auth", **own)
            at_most_one(at, key_passphrase=secret, key_passphrase_file=file)
        elif any(own.values()) or secret or file:
            at.get("auth").fail("instance_principal stands alone: leave out user, tenancy and key")
        places = at.get("compartments").items() if self.compartments else []
        for place, text in zip(places, self.compartments, strict=True):
            if not text:
                place.fail("a compartment must not be empty")

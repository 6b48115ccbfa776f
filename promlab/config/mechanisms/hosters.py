"""Hosters with an HTTP API of their own."""

from __future__ import annotations

from typing import ClassVar

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.http_client import at_most_one
from promlab.config.mechanisms.base import Asked, Refreshed, needs, needs_address, port
from promlab.config.secret import Secret
from promlab.config.section import opt, record

_HETZNER_ROLES = ("robot", "hcloud")
_SCALEWAY_ROLES = ("instance", "baremetal")
_STACKIT_ROLES = ("server", "postgres")
_OVH_SERVICES = ("vps", "dedicated_server")


@record
class _Hoster(Asked):
    port: int = opt(port, 80, always=True)


@record
class DigitalOcean(_Hoster):
    """Droplets."""

    mechanism: ClassVar[str] = "digitalocean"


@record
class Hetzner(_Hoster):
    """Servers of the cloud, or of Robot."""

    mechanism: ClassVar[str] = "hetzner"
    required: ClassVar[tuple[str, ...]] = ("role",)
    role: str = opt(kinds.offered(*_HETZNER_ROLES), "", always=True)
    label_selector: str = opt(kinds.string, "")

    def check(self, at: At) -> None:
        """Which of the two."""
        Asked.check(self, at)
        if self.role not in _HETZNER_ROLES:
            names = ", ".join(_HETZNER_ROLES)
            at.get("role").fail(f"unknown role {self.role!r}: it must be one of {names}")


@record
class Linode(_Hoster):
    """Instances of Linode."""

    mechanism: ClassVar[str] = "linode"
    region: str = opt(kinds.string, "")
    tag_separator: str = opt(kinds.string, ",", always=True)


@record
class Vultr(_Hoster):
    """Instances of Vultr."""

    mechanism: ClassVar[str] = "vultr"


@record
class Ionos(_Hoster):
    """Servers of a datacenter of IONOS."""

    mechanism: ClassVar[str] = "ionos"
    required: ClassVar[tuple[str, ...]] = ("datacenter_id",)
    datacenter_id: str = opt(kinds.string, "", always=True)

    def check(self, at: At) -> None:
        """Which datacenter."""
        Asked.check(self, at)
        if not self.datacenter_id:
            at.get("datacenter_id").fail("datacenter id can't be empty")


@record
class Scaleway(_Hoster):
    """Instances or bare metal servers of Scaleway."""

    mechanism: ClassVar[str] = "scaleway"
    required: ClassVar[tuple[str, ...]] = ("role", "project_id", "access_key")
    project_id: str = opt(kinds.string, "", always=True)
    api_url: str = opt(kinds.url, "https://api.scaleway.com")
    zone: str = opt(kinds.string, "fr-par-1", always=True)
    access_key: str = opt(kinds.string, "", always=True)
    secret_key: Secret = opt(kinds.secret, Secret(""))
    secret_key_file: str = opt(kinds.path, "")
    name_filter: str = opt(kinds.string, "")
    tags_filter: tuple[str, ...] = opt(kinds.strings, ())
    role: str = opt(kinds.offered(*_SCALEWAY_ROLES), "", always=True)

    def check(self, at: At) -> None:
        """What to look for, as whom."""
        Asked.check(self, at)
        if self.role not in _SCALEWAY_ROLES:
            names = ", ".join(_SCALEWAY_ROLES)
            at.get("role").fail(f"unknown role {self.role!r}: it must be one of {names}")
        needs(at, "scaleway_sd", project_id=self.project_id)
        if not self.secret_key and not self.secret_key_file:
            at.fail("one of secret_key & secret_key_file must be configured")
        at_most_one(at, secret_key=self.secret_key, secret_key_file=self.secret_key_file)
        needs(at, "scaleway_sd", access_key=self.access_key)


@record
class OvhCloud(Refreshed):
    """Virtual or dedicated servers of OVHcloud."""

    mechanism: ClassVar[str] = "ovhcloud"
    required: ClassVar[tuple[str, ...]] = (
        "application_key",
        "application_secret",
        "consumer_key",
        "service",
    )
    endpoint: str = opt(kinds.string, "ovh-eu", always=True)
    application_key: str = opt(kinds.string, "", always=True)
    application_secret: Secret = opt(kinds.secret, Secret(""))
    consumer_key: Secret = opt(kinds.secret, Secret(""))
    service: str = opt(kinds.offered(*_OVH_SERVICES), "", always=True)

    def check(self, at: At) -> None:
        """What to look for, as whom."""
        Refreshed.check(self, at)
        needs(
            at,
            "ovhcloud_sd",
            endpoint=self.endpoint,
            application_key=self.application_key,
            application_secret=self.application_secret,
            consumer_key=self.consumer_key,
        )
        if self.service not in _OVH_SERVICES:
            names = ", ".join(_OVH_SERVICES)
            at.get("service").fail(f"unknown service {self.service!r}: it must be one of {names}")


@record
class Outscale(_Hoster):
    """Virtual machines of Outscale."""

    mechanism: ClassVar[str] = "outscale"
    required: ClassVar[tuple[str, ...]] = ("access_key", "secret_key")
    endpoint: str = opt(kinds.url, "")
    region: str = opt(kinds.string, "eu-west-2", always=True)
    access_key: str = opt(kinds.string, "", always=True)
    secret_key: Secret = opt(kinds.secret, Secret(""))

    def check(self, at: At) -> None:
        """Where to look, as whom."""
        Asked.check(self, at)
        what = "outscale SD configuration"
        needs(at, what, region=self.region)
        needs(at, what, access_key=self.access_key, secret_key=self.secret_key)
        if self.endpoint:
            needs_address(at.get("endpoint"), self.endpoint, "outscale_sd")


@record
class Stackit(_Hoster):
    """Servers or databases of STACKIT."""

    mechanism: ClassVar[str] = "stackit"
    role: str = opt(kinds.offered(*_STACKIT_ROLES), "server")
    region: str = opt(kinds.string, "eu01", always=True)
    endpoint: str = opt(kinds.url, "", always=True)
    project: str = opt(kinds.string, "", always=True)
    service_account_key: Secret = opt(kinds.secret, Secret(""))
    private_key: Secret = opt(kinds.secret, Secret(""))
    service_account_key_path: str = opt(kinds.path, "")
    private_key_path: str = opt(kinds.path, "")
    credentials_file_path: str = opt(kinds.path, "")

    def check(self, at: At) -> None:
        """Where to look."""
        Asked.check(self, at)
        if not self.endpoint and not self.region:
            at.fail("endpoint or region missing")
        if self.endpoint:
            needs_address(at.get("endpoint"), self.endpoint, "stackit_sd")
        if self.role not in _STACKIT_ROLES:
            names = ", ".join(_STACKIT_ROLES)
            at.get("role").fail(f"unknown role {self.role!r}: it must be one of {names}")

"""How to authenticate at the services of the large clouds: AWS, Azure, Google.

Only what is said is here; `promlab.transport.cloud_auth` acts on it.
"""

from __future__ import annotations

import re
import uuid

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.kinds import Kind
from promlab.config.secret import Secret
from promlab.config.section import Section, maybe, opt, record

_TENANT = re.compile(r"[0-9a-zA-Z.-]+")
_CLOUDS = ("AzurePublic", "AzureChina", "AzureGovernment", "AzureCustom")
_WORKLOAD_TOKEN = "/var/run/secrets/azure/tokens/azure-identity-token"  # noqa: S105  (a path)


@record
class SigV4(Section):
    """AWS signatures."""

    region: str = opt(kinds.string, "")
    access_key: str = opt(kinds.string, "")
    secret_key: Secret = opt(kinds.secret, Secret(""))
    profile: str = opt(kinds.string, "")
    role_arn: str = opt(kinds.string, "")
    external_id: str = opt(kinds.string, "")
    use_fips_sts_endpoint: bool = opt(kinds.boolean, False)
    service_name: str = opt(kinds.string, "")

    def check(self, at: At) -> None:
        """Both keys or none; an external identifier is told to who gives a role."""
        if bool(self.access_key) != bool(self.secret_key):
            at.fail(
                "must provide a AWS SigV4 Access key and Secret Key if credentials are specified"
            )
        if self.external_id and not self.role_arn:
            at.get("external_id").fail("external_id can only be used with role_arn")


def _client(at: At) -> str:
    text = at.text()
    try:
        uuid.UUID(text)
    except ValueError:
        at.fail("the client_id of an Azure identity is a UUID")
    return text


def _tenant(at: At) -> str:
    text = at.text()
    if text and not _TENANT.fullmatch(text):
        at.fail("a tenant_id has letters, digits, points and hyphens only")
    return text


_client_id: Kind[str] = Kind(_client, str, "", shape=kinds.TEXT)
_tenant_id: Kind[str] = Kind(_tenant, str, "", shape=kinds.TEXT)


@record
class ManagedIdentity(Section):
    """An identity that the machine has; without `client_id` the one that is the system's."""

    client_id: str = opt(_client_id, "")


@record
class AzureOAuth(Section):
    """An application that is registered in Microsoft Entra ID."""

    client_id: str = opt(_client_id, "")
    client_secret: Secret = opt(kinds.secret, Secret(""))
    tenant_id: str = opt(_tenant_id, "")

    def check(self, at: At) -> None:
        """All three."""
        _need(at, self, "client_id", "client_secret", "tenant_id")


@record
class AzureSDK(Section):
    """What the environment offers."""

    tenant_id: str = opt(_tenant_id, "")


@record
class WorkloadIdentity(Section):
    """An identity that Kubernetes vouches for, with a token in a file."""

    client_id: str = opt(_client_id, "")
    tenant_id: str = opt(_tenant_id, "")
    token_file_path: str = opt(kinds.path, _WORKLOAD_TOKEN)

    def check(self, at: At) -> None:
        """Who it is."""
        _need(at, self, "client_id", "tenant_id")


def _need(at: At, section: Section, *names: str) -> None:
    for name in names:
        if not getattr(section, name):
            at.fail(f"{name} must be configured")


@record
class AzureCloud(Section):
    """Which of Azure's clouds; of one's own, where it gives tokens and for whom."""

    name: str = opt(kinds.one_of(*_CLOUDS, what="Azure cloud"), "")
    aad_endpoint: str = opt(kinds.url, "")
    token_audience: str = opt(kinds.string, "")

    def check(self, at: At) -> None:
        """Only a cloud of one's own has endpoints to tell, and needs both."""
        if self.name != "AzureCustom":
            at.fail("as a mapping, cloud must have the name AzureCustom")
        _need(at, self, "aad_endpoint", "token_audience")


def _cloud(at: At) -> AzureCloud:
    if at.tag == "map":
        return AzureCloud.read(at)
    name = kinds.one_of(*_CLOUDS[:3], what="Azure cloud")(at)
    return AzureCloud(name=name)


def _show_cloud(cloud: AzureCloud) -> object:
    return cloud.plain() if cloud.token_audience else cloud.name


_PUBLIC = AzureCloud(name="AzurePublic")
_SHAPE = {"anyOf": [AzureCloud, {"enum": [*_CLOUDS[:3], None]}]}
azure_cloud: Kind[AzureCloud] = Kind(_cloud, _show_cloud, _PUBLIC, shape=_SHAPE)


@record
class AzureAD(Section):
    """Tokens of Microsoft Entra ID, for Azure Monitor or another `scope`."""

    cloud: AzureCloud = opt(azure_cloud, _PUBLIC)
    managed_identity: ManagedIdentity | None = opt(maybe(ManagedIdentity), None)
    oauth: AzureOAuth | None = opt(maybe(AzureOAuth), None)
    sdk: AzureSDK | None = opt(maybe(AzureSDK), None)
    workload_identity: WorkloadIdentity | None = opt(maybe(WorkloadIdentity), None)
    scope: str = opt(kinds.string, "")

    @property
    def identity(self) -> ManagedIdentity | AzureOAuth | AzureSDK | WorkloadIdentity | None:
        """Who asks."""
        return self.managed_identity or self.oauth or self.sdk or self.workload_identity

    def check(self, at: At) -> None:
        """One identity."""
        names = ("managed_identity", "oauth", "sdk", "workload_identity")
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"not {' and '.join(given)}" if given else "and none is there"
            at.fail(f"azuread needs one of {', '.join(names)}, {found}")


@record
class GoogleIAM(Section):
    """Credentials of Google's cloud: a file's, or those that the environment offers."""

    credentials_file: str = opt(kinds.path, "")

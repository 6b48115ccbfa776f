"""Instances of Oracle's cloud. Questions are signed with a user's key (the extra `clouds`)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from functools import lru_cache
from urllib.parse import quote, urlencode

from yarl import URL

from promlab.config.mechanisms.clouds import Oci
from promlab.discovery.answers import Answer
from promlab.discovery.asking import Reply, parsed
from promlab.discovery.base import Surroundings, TargetGroup, label_name
from promlab.discovery.simple import MAX_PAGES, Simple, target
from promlab.errors import ConfigError, DiscoveryError
from promlab.transport.aside import aside
from promlab.transport.secret_files import read_secret

VERSION = "20160918"


class OciDiscovery(Simple[Oci]):
    """Asks for the instances of compartments, and for the address of each."""

    mechanism = "oci"

    def __init__(self, config: Oci, around: Surroundings) -> None:
        if config.auth != "api_key":
            raise ConfigError("oci_sd: instance_principal is not supported yet: use api_key")
        super().__init__(config, around)
        self._gate = asyncio.Semaphore(10)

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all instances; a group a compartment."""
        compartments = self.config.compartments or await self._compartments()
        return [await self._group(each) for each in compartments]

    async def _compartments(self) -> list[str]:
        """The tenancy and all active compartments in it, those in others included."""
        found: list[str] = []
        waiting = [self.config.tenancy]
        while waiting and len(found) < MAX_PAGES:
            here = waiting.pop(0)
            if here in found:
                continue
            found.append(here)
            about = {"compartmentId": here, "accessLevel": "ACCESSIBLE"}
            try:
                inside = await self._list("identity", "compartments", about)
            except DiscoveryError as error:
                if here == self.config.tenancy:
                    raise
                # Who may not look into one may look into others.
                self.failed(DiscoveryError(f"compartment {here}: {error}"))
                continue
            waiting += [
                each.text("id") for each in inside if each.text("lifecycleState") == "ACTIVE"
            ]
        return found

    async def _group(self, compartment: str) -> TargetGroup:
        instances = await self._list("iaas", "instances", {"compartmentId": compartment})
        found = await asyncio.gather(*(self._target(each, compartment) for each in instances))
        targets = tuple(labels for labels in found if labels)
        return TargetGroup(f"OCI_{compartment}", targets)

    async def _target(self, instance: Answer, compartment: str) -> dict[str, str]:
        if instance.text("lifecycleState") in ("TERMINATED", "TERMINATING"):
            return {}
        about = {"compartmentId": compartment, "instanceId": instance.text("id")}
        attachments = await self._list("iaas", "vnicAttachments", about)
        for each in attachments:
            if each.text("lifecycleState") != "ATTACHED" or not each.text("vnicId"):
                continue
            path = f"vnics/{quote(each.text('vnicId'), safe='')}"
            vnic = await parsed(await self._get("iaas", path, {}), path)
            if vnic.flag("isPrimary"):
                return self._labels(instance, vnic)
        return {}

    def _labels(self, instance: Answer, vnic: Answer) -> dict[str, str]:
        private, public = vnic.text("privateIp"), vnic.text("publicIp")
        if not private and not public:
            return {}
        values = {
            "instance_id": instance.text("id"),
            "instance_name": instance.text("displayName"),
            "instance_state": instance.text("lifecycleState"),
            "instance_shape": instance.text("shape"),
            "availability_domain": instance.text("availabilityDomain"),
            "fault_domain": instance.text("faultDomain"),
            "region": instance.text("region"),
            "tenancy_id": self.config.tenancy,
            "compartment_id": instance.text("compartmentId"),
            "image_id": instance.text("imageId"),
            "vnic_id": vnic.text("id"),
            "private_ip": private,
            "public_ip": public,
        }
        free = instance.labels("freeformTags")
        values |= {f"tag_{label_name(key)}": text for key, text in free.items()}
        for space, tags in instance.entries("definedTags"):
            for key, value in tags.entries():
                if isinstance(value.value, str | int | float):
                    values[f"defined_tag_{label_name(space)}_{label_name(key)}"] = value.shown()
        return target("oci", private or public, self.config.port, values)

    async def _list(self, service: str, path: str, about: Mapping[str, str]) -> list[Answer]:
        found: list[Answer] = []
        params = {**about, "limit": "100"}
        for _ in range(MAX_PAGES):
            reply = await self._get(service, path, params)
            answer = await parsed(reply, path)
            if answer.value is None:
                answer.expected("a list")
            found += answer.items()
            following = reply.headers.get("opc-next-page")
            if not following:
                return found
            params["page"] = following
        raise DiscoveryError(f"{path}: the list has more than {MAX_PAGES} pages")

    async def _get(self, service: str, path: str, params: Mapping[str, str]) -> Reply:
        host = f"{service}.{self.config.region}.oraclecloud.com"
        url = f"https://{host}/{VERSION}/{path}" + (f"?{urlencode(params)}" if params else "")
        async with self._gate:
            key = await asyncio.to_thread(read_secret, self.config.key_file)
            headers = await aside(lambda: _signed(self.config, url, key), "oci discovery")
            return await self.asker.ask(url, headers=headers)


def _signed(config: Oci, url: str, key: str) -> dict[str, str]:
    """Headers of a GET request that the user of the section has signed."""
    secret = config.key_passphrase.reveal()
    if config.key_passphrase_file:
        secret = read_secret(config.key_passphrase_file)
    try:
        sign = _signer(key, secret)
    except ValueError as error:
        raise DiscoveryError(f"{config.key_file}: not a private key: {error}") from None
    # As it is sent, which may be quoted otherwise than it is written.
    sent, date = URL(url), formatdate(usegmt=True)
    text = f"date: {date}\n(request-target): get {sent.raw_path_qs}\nhost: {sent.host}"
    signature = base64.b64encode(sign(text.encode())).decode()
    who = f"{config.tenancy}/{config.user}/{config.fingerprint}"
    proof = (
        f'Signature version="1",keyId="{who}",algorithm="rsa-sha256",'
        f'headers="date (request-target) host",signature="{signature}"'
    )
    return {"Date": date, "Authorization": proof, "Accept": "application/json"}


# Keys with a passphrase are slow to open, on purpose.
@lru_cache(maxsize=16)
def _signer(key: str, passphrase: str) -> Callable[[bytes], bytes]:
    """What signs with a key. Raises ValueError for one that is none."""
    try:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
    except ImportError:
        what = "oci discovery needs cryptography: pip install 'promlab[clouds]'"
        raise DiscoveryError(what) from None
    try:
        private = serialization.load_pem_private_key(key.encode(), passphrase.encode() or None)
    except TypeError as error:  # A passphrase too many or too few.
        raise ValueError(str(error)) from None
    if not isinstance(private, rsa.RSAPrivateKey):
        raise ValueError("it must be an RSA key")
    return lambda text: private.sign(text, padding.PKCS1v15(), hashes.SHA256())

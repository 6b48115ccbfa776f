"""Virtual machines of Outscale. Questions are signed as Amazon's are, by botocore (extra `aws`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from promlab.config.mechanisms.hosters import Outscale
from promlab.discovery.answers import Answer
from promlab.discovery.asking import parsed
from promlab.discovery.base import TargetGroup, label_name
from promlab.discovery.simple import MAX_PAGES, Simple, target
from promlab.errors import DiscoveryError
from promlab.transport.aside import aside


class OutscaleDiscovery(Simple[Outscale]):
    """Asks for all machines of a region."""

    mechanism = "outscale"

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all machines that have an address."""
        targets: list[dict[str, str]] = []
        question: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            answer = await self._ask(question)
            targets += [made for each in answer.needed_items("Vms") if (made := self._target(each))]
            following = answer.text("NextPageToken")
            if not following:
                return [TargetGroup(self.config.region, tuple(targets))]
            question = {"NextPageToken": following}
        raise DiscoveryError(f"the list of machines has more than {MAX_PAGES} pages")

    async def _ask(self, question: Mapping[str, str]) -> Answer:
        config = self.config
        base = config.endpoint or f"https://api.{config.region}.outscale.com/api/v1"
        url, body = f"{base.rstrip('/')}/ReadVms", msgspec.json.encode(question)
        headers = await aside(lambda: _signed(config, url, body), "outscale discovery")
        reply = await self.asker.ask(url, method="POST", headers=headers, body=body)
        return await parsed(reply, url)

    def _target(self, machine: Answer) -> dict[str, str]:
        private, public = machine.text("PrivateIp"), machine.text("PublicIp")
        if not private and not public:
            return {}
        values = {
            "vm_instance_id": machine.text("VmId"),
            "vm_region": self.config.region,
            "vm_subregion": machine.text("Placement", "SubregionName"),
            "vm_state": machine.text("State"),
            "vm_private_ip": private,
            "vm_public_ip": public,
        }
        for tag in machine.items("Tags"):
            if tag.text("Key") and tag.text("Value"):
                values[f"vm_tag_{label_name(tag.text('Key'))}"] = tag.text("Value")
        return target("outscale", private or public, self.config.port, values)


def _signed(config: Outscale, url: str, body: bytes) -> dict[str, str]:
    try:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
    except ImportError:
        what = "outscale discovery needs botocore: pip install 'promlab[aws]'"
        raise DiscoveryError(what) from None
    request = AWSRequest("POST", url, {"Content-Type": "application/json"}, body)
    secret = config.secret_key.reveal()
    SigV4Auth(Credentials(config.access_key, secret), "oapi", config.region).add_auth(request)
    return dict(request.headers.items())

"""Clouds whose questions are signed: the fakes check the signatures."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import jwt
from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from case import Case
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from made_keys import key, private_key
from yarl import URL


class _Resigned(SigV4Auth):
    """Signs as at the time that a request names."""

    def _modify_request_before_signing(self, request: Any) -> None:
        request.context["timestamp"] = request.headers["X-Amz-Date"]


def outscale(request: web.BaseRequest) -> Any:
    async def answer() -> web.StreamResponse:
        body = await request.read()
        sent = {name: request.headers[name] for name in ("Content-Type", "X-Amz-Date")}
        again = AWSRequest("POST", str(request.url), dict(sent), body)
        again.context["timestamp"] = sent["X-Amz-Date"]
        signer = _Resigned(Credentials("ak", "s3cret"), "oapi", "eu-west-2")
        text = signer.string_to_sign(again, signer.canonical_request(again))
        if not request.headers["Authorization"].endswith(signer.signature(text, again)):
            return web.Response(status=401, text="the signature is wrong")
        if "NextPageToken" in json.loads(body):
            return web.json_response({"Vms": [
                {"VmId": "i-2", "State": "running", "PublicIp": "198.51.100.2", "Tags": []},
                {"VmId": "i-3", "State": "stopped"},
            ]})  # fmt: skip
        return web.json_response({"NextPageToken": "more", "Vms": [
            {"VmId": "i-1", "State": "running", "PrivateIp": "10.0.0.1",
             "PublicIp": "198.51.100.1", "Placement": {"SubregionName": "eu-west-2a"},
             "Tags": [{"Key": "my key", "Value": "v"}, {"Key": "none", "Value": ""}]},
        ]})  # fmt: skip

    return answer()


SERVERS = {"items": [
    {"id": "s-1", "name": "one", "availabilityZone": "eu01-1", "status": "ACTIVE",
     "powerStatus": "RUNNING", "machineType": "t1.1", "labels": {"my-key": "v", "number": 5},
     "nics": [{"networkName": "my net", "ipv4": "10.0.0.1", "publicIp": "198.51.100.1"},
              {"networkName": "other", "ipv4": "10.1.0.1"}]},
    {"id": "s-2", "name": "private", "nics": [{"networkName": "n", "ipv4": "10.0.0.2"}]},
    {"id": "s-3", "name": "none", "nics": []},
]}  # fmt: skip


def stackit_token(request: web.BaseRequest) -> Any:
    async def answer() -> web.StreamResponse:
        form = dict(part.split("=", 1) for part in (await request.text()).split("&"))
        claims = jwt.decode(
            form["assertion"], key().public_key(), algorithms=["RS512"], audience="stackit"
        )
        assert claims["sub"] == "account", claims
        return web.json_response({"access_token": "s3cret-token", "expires_in": 3600})

    return answer()


def stackit(request: web.BaseRequest) -> Any:
    if request.headers.get("Authorization") != "Bearer s3cret-token":
        return web.Response(status=401)
    return SERVERS


ACCOUNT = json.dumps(
    {
        "id": "1",
        "active": True,
        "credentials": {
            "kid": "k",
            "iss": "me",
            "sub": "account",
            "aud": "stackit",
            "privateKey": private_key(),
        },
    }
)
STACKIT = {
    "POST /token": stackit_token,
    "GET /v1/projects/p-1/servers": stackit,
    "GET /v2/projects/p-1/regions/eu01/instances": {"items": [
        {"id": "d-1", "name": "base", "status": "Ready"}]},
}  # fmt: skip


def oci(answer: Any) -> Any:
    def checked(request: web.BaseRequest) -> Any:
        proof = dict(re.findall(r'(\w+)="([^"]*)"', request.headers["Authorization"]))
        place = URL(str(request.rel_url)).raw_path_qs
        text = (
            f"date: {request.headers['Date']}\n(request-target): get {place}\nhost: {request.host}"
        )
        signature = base64.b64decode(proof["signature"])
        key().public_key().verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
        assert proof["keyId"] == "t-1/u-1/aa:bb"
        return answer(request) if callable(answer) else answer

    return checked


def compartments(request: web.BaseRequest) -> Any:
    inside = {"t-1": [{"id": "c-1", "lifecycleState": "ACTIVE"},
                      {"id": "c-2", "lifecycleState": "DELETED"}]}  # fmt: skip
    return inside.get(request.query["compartmentId"], [])


def instances(request: web.BaseRequest) -> Any:
    if request.query["compartmentId"] != "c-1":
        return []
    if request.query.get("page"):
        return [{"id": "i-2", "displayName": "gone", "lifecycleState": "TERMINATED"}]
    found = [{
        "id": "i-1", "displayName": "one", "lifecycleState": "RUNNING", "shape": "VM.Standard",
        "availabilityDomain": "AD-1", "faultDomain": "FD-1", "region": "eu-1",
        "compartmentId": "c-1", "imageId": "img", "freeformTags": {"my-key": "v"},
        "definedTags": {"My-Tags": {"Cost": "42", "count": 7, "on": True, "list": ["a"]}},
    }]  # fmt: skip
    return web.json_response(found, headers={"opc-next-page": "a:b/c+d="})


OCI = {
    "GET /20160918/compartments": oci(compartments),
    "GET /20160918/instances": oci(instances),
    "GET /20160918/vnicAttachments": oci([
        {"vnicId": "v-2", "lifecycleState": "DETACHED"},
        {"vnicId": "v-0", "lifecycleState": "ATTACHED"},
        {"vnicId": "v-1", "lifecycleState": "ATTACHED"}]),
    "GET /20160918/vnics/v-0": oci({"id": "v-0", "isPrimary": False, "privateIp": "10.0.0.9"}),
    "GET /20160918/vnics/v-1": oci({"id": "v-1", "isPrimary": True, "privateIp": "10.0.0.1",
                                    "publicIp": "198.51.100.1"}),
}  # fmt: skip

CASES = [
    Case("outscale", "outscale_sd_configs: [{endpoint: 'BASE', access_key: ak, "
         "secret_key: s3cret}]", {"POST /ReadVms": outscale}, 2, oracle=""),
    Case("stackit", "stackit_sd_configs: [{project: p-1, service_account_key_path: "
         "FOLDER/account.json, CLOUD}]", STACKIT, 2, oracle="", files={"account.json": ACCOUNT},
         hosts=("iaas.api.eu01.stackit.cloud", "service-account.api.stackit.cloud")),
    Case("stackit_databases", "stackit_sd_configs: [{project: p-1, role: postgres, CLOUD}]",
         STACKIT, 1, oracle="", hosts=("postgres-flex-service.api.stackit.cloud",)),
    Case("oci", "oci_sd_configs: [{tenancy: t-1, user: u-1, fingerprint: 'aa:bb', region: eu-1, "
         "key_file: FOLDER/key.pem, key_passphrase: s3cret, CLOUD}]", OCI, 1, oracle="",
         files={"key.pem": private_key("s3cret")},
         hosts=("iaas.eu-1.oraclecloud.com", "identity.eu-1.oraclecloud.com")),
]  # fmt: skip

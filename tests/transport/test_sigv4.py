"""AWS signatures: worked out here from the standard's description, and what is missing."""

from __future__ import annotations

import hashlib
import hmac
import sys
from pathlib import Path

import pytest
from moto import mock_aws

from promlab.config.cloud_auth import SigV4
from promlab.config.secret import Secret
from promlab.errors import ConfigError, ScrapeError
from promlab.transport.sigv4 import Signer

URL = "https://aps.example.com/workspaces/ws-1/api/v1/remote_write"
BODY = b"\x00snappy\xff"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials of whoever runs this."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


def keyed(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(secret: str, region: str, service: str, at: str) -> str:
    """The signature of a POST of BODY to URL, host and date being signed."""
    host, path = URL.removeprefix("https://").split("/", 1)
    canonical = "\n".join(
        ["POST", f"/{path}", "", f"host:{host}", f"x-amz-date:{at}", "", "host;x-amz-date"]
    )
    canonical += "\n" + hashlib.sha256(BODY).hexdigest()
    scope = f"{at[:8]}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in (at[:8], region, service, "aws4_request"):
        key = keyed(key, part)
    return keyed(key, f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{digest}").hex()


@pytest.mark.parametrize("service", ["", "execute-api"])
def test_a_request_is_signed(service: str) -> None:
    config = SigV4(
        region="eu-west-1", access_key="AK", secret_key=Secret("sk"), service_name=service
    )
    found = Signer(config).signed("POST", URL, BODY)
    assert found.keys() == {"Authorization", "X-Amz-Date"}
    scope = f"{found['X-Amz-Date'][:8]}/eu-west-1/{service or 'aps'}/aws4_request"
    wanted = signature("sk", "eu-west-1", service or "aps", found["X-Amz-Date"])
    assert found["Authorization"] == (
        f"AWS4-HMAC-SHA256 Credential=AK/{scope}, SignedHeaders=host;x-amz-date, Signature={wanted}"
    )


def test_a_role_is_assumed() -> None:
    with mock_aws():
        config = SigV4(
            region="us-east-1", access_key="AK", secret_key=Secret("sk"),
            role_arn="arn:aws:iam::123456789012:role/writer", external_id="xyz",
        )  # fmt: skip
        found = Signer(config).signed("POST", URL, BODY)
    assert found["X-Amz-Security-Token"]
    assert "Credential=ASIA" in found["Authorization"]


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="region not configured"):
        Signer(SigV4(access_key="AK", secret_key=Secret("sk")))
    with pytest.raises(ConfigError, match="nobody"):
        Signer(SigV4(profile="nobody"))
    with pytest.raises(ScrapeError, match="no AWS credentials"):
        Signer(SigV4(region="a")).signed("POST", URL, BODY)
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(ConfigError, match=r"promlab\[aws\]"):
        Signer(SigV4(region="a"))

"""TLS and passwords: an exporter and the gateway behind one web configuration."""

from __future__ import annotations

import base64
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import bcrypt
import pytest
import trustme
from notebook_server import free_port, until

from promlab import lifeline


@pytest.fixture
def web(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    path = tmp_path / "web.yml"
    path.write_text(
        "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"
        f"basic_auth_users: {{me: '{hashed}'}}\n"
    )
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return path, context


@pytest.fixture
def gateway(web: tuple[Path, ssl.SSLContext]) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "promlab", "pushgateway"]
    flags = [f"--web.listen-address=127.0.0.1:{port}", f"--web.config.file={web[0]}"]
    process = lifeline.spawn([*command, *flags], stderr=subprocess.DEVNULL)
    yield f"https://127.0.0.1:{port}/metrics"
    process.terminate()
    process.wait(240)
    lifeline.release(process)


def status(url: str, context: ssl.SSLContext, password: str = "") -> int:
    request = urllib.request.Request(url)
    if password:
        pair = base64.b64encode(f"me:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {pair}")
    try:
        with urllib.request.urlopen(request, context=context, timeout=240) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code if error.headers["WWW-Authenticate"] == "Basic" else -1
    except urllib.error.URLError:
        return 0


def check(url: str, context: ssl.SSLContext) -> None:
    until(lambda: status(url, context))
    assert status(url, context) == 401
    assert status(url, context, "wrong") == 401
    assert status(url, context, "secret") == 200
    assert status(url, ssl.create_default_context(), "secret") == 0  # an unknown authority


def test_an_exporter(run_kind: Callable[..., str], web: tuple[Path, ssl.SSLContext]) -> None:
    url = run_kind("process", f"--web.config.file={web[0]}", "--process.name=none")
    assert url.startswith("https://")
    check(url, web[1])


def test_the_gateway(gateway: str, web: tuple[Path, ssl.SSLContext]) -> None:
    check(gateway, web[1])

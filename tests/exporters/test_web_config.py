"""TLS and passwords: an exporter and the gateway behind one web configuration."""

from __future__ import annotations

import base64
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import bcrypt
import pytest
import trustme
from notebook_server import free_port, until

from promlab import lifeline
from tests.patience import PATIENCE_S


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
    except OSError:  # no connection, or one that is closed without an answer
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


class Authority:
    """A certificate authority whose servers and clients meet on the loopback interface."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ca = folder, trustme.CA()
        self.ca.cert_pem.write_to_path(str(folder / "ca.pem"))
        self.serve()

    def serve(self) -> None:
        """A certificate for the server, or a new one in the old one's place."""
        issued = self.ca.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        issued.cert_chain_pems[0].write_to_path(str(self.folder / "cert.pem"))

    def client(self, name: str | None) -> ssl.SSLContext:
        """A client with a certificate for a name, or with none."""
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        if name is not None:
            self.ca.issue_cert(name).configure_cert(context)
        return context


def serial(url: str, context: ssl.SSLContext) -> str:
    """The serial number of a server's certificate, "" while there is no connection."""
    address = (urlsplit(url).hostname, urlsplit(url).port)
    try:
        with (
            socket.create_connection(address, timeout=PATIENCE_S) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
        ):
            return str((secured.getpeercert() or {})["serialNumber"])
    except OSError:
        return ""


def test_clients_by_their_names(run_kind: Callable[..., str], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    path = tmp_path / "web.yml"
    path.write_text(
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
        "  client_allowed_sans: [scraper.example]\n"
    )
    url = run_kind("process", f"--web.config.file={path}", "--process.name=none")
    assert status(url, authority.client("scraper.example")) == 200
    assert status(url, authority.client("other.example")) == 0
    assert status(url, authority.client(None)) == 0


def test_certificates_and_headers_may_change(run_kind: Callable[..., str], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    path = tmp_path / "web.yml"
    tls = "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"
    path.write_text(tls)
    url = run_kind("process", f"--web.config.file={path}", "--process.name=none")
    client = authority.client(None)
    first = serial(url, client)
    assert first
    (tmp_path / "key.pem").write_text("half a key")  # a renewal that is not done yet
    assert serial(url, client) == first
    authority.serve()
    assert serial(url, client) not in ("", first)
    headers = "{X-Frame-Options: deny, X-Content-Type-Options: nosniff}"
    path.write_text(f"{tls}http_server_config:\n  headers: {headers}\n")
    with urllib.request.urlopen(url, context=client, timeout=PATIENCE_S) as answer:
        assert answer.headers.get_all("X-Frame-Options") == ["deny"]
        assert answer.headers.get_all("X-Content-Type-Options") == ["nosniff"]

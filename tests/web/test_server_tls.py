"""Whom a server lets in over TLS, and how they agree: the same as the real Prometheus does."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import real_programs
from tests.patience import PATIENCE_S, until

sys.path.insert(0, str(Path(__file__).parent.parent / "server"))  # its helpers

from fake_server import make_context
from threaded import threaded

from promlab.config.tls_files import VERSIONS
from promlab.server.settings import Settings
from promlab.web.guard import Guard
from promlab.web.openssl import set_groups

NAMES = "DNS:client.example,email:a@b.c,IP:10.0.0.1,IP:fd00::1,URI:spiffe://x/y"
KINDS = ("NoClientCert", "RequestClientCert", "RequireAnyClientCert", "VerifyClientCertIfGiven",
         "RequireAndVerifyClientCert")  # fmt: skip
ASKING = "client_auth_type: {}, client_ca_file: ca.pem"
# What a client shows: nothing, a certificate of the authority, one of somebody else's.
NOBODY, OURS, OTHERS = "", "good", "bad"
# A configuration, what is shown, and whether it is let in.
CASES = [
    *((f"client_auth_type: {KINDS[0]}", shown, True) for shown in (NOBODY, OURS, OTHERS)),
    *((f"client_auth_type: {KINDS[1]}", shown, True) for shown in (NOBODY, OURS, OTHERS)),
    *((ASKING.format(KINDS[1]), shown, True) for shown in (NOBODY, OURS, OTHERS)),
    *((f"client_auth_type: {KINDS[2]}", shown, shown != NOBODY)
      for shown in (NOBODY, OURS, OTHERS)),
    *((ASKING.format(KINDS[3]), shown, shown != OTHERS) for shown in (NOBODY, OURS, OTHERS)),
    *((f"client_auth_type: {KINDS[3]}", shown, shown == NOBODY) for shown in (NOBODY, OURS)),
    *((ASKING.format(KINDS[4]), shown, shown == OURS) for shown in (NOBODY, OURS, OTHERS)),
    ("client_allowed_sans: [nobody]", NOBODY, True),
    *((f"client_auth_type: {kind}, client_allowed_sans: [client.example]", shown, shown != NOBODY)
      for kind in KINDS[1:3] for shown in (NOBODY, OURS, OTHERS)),
    *((f"client_auth_type: {kind}, client_allowed_sans: [nobody]", OURS, False)
      for kind in KINDS[1:3]),
    *((f"{ASKING.format(KINDS[4])}, client_allowed_sans: ['{name}']", OURS, good)
      for name, good in (("client.example", True), ("CLIENT.EXAMPLE", False), ("a@b.c", True),
                         ("10.0.0.1", True), ("fd00::1", True), ("FD00:0:0:0:0:0:0:1", False),
                         ("spiffe://x/y", True), ("*.example", False), ("good", False))),
]  # fmt: skip
# A configuration, what a client insists on, and whether they agree.
OLD = "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"
AGREEING = [
    ("curve_preferences: [X25519, CurveP256]", {"group": "X25519"}, True),
    ("curve_preferences: [X25519, CurveP256]", {"group": "P-256"}, True),
    ("curve_preferences: [X25519, CurveP256]", {"group": "P-384"}, False),
    ("curve_preferences: [CurveP384]", {"group": "X25519"}, False),
    ("", {"group": "P-521"}, True),
    ("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]",
     {"version": "TLS12", "ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384"}, True),
    ("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]",
     {"version": "TLS12", "ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256"}, False),
    ("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]", {"version": "TLS13"}, True),
    ("cipher_suites: [TLS_AES_128_GCM_SHA256]", {"version": "TLS12"}, False),
    ("cipher_suites: [TLS_AES_128_GCM_SHA256]", {"version": "TLS13"}, True),
    ("cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]", {"version": "TLS12"}, False),
    ("", {"version": "TLS12", "ciphers": "ECDHE-ECDSA-AES128-SHA"}, True),
    ("", {"version": "TLS12", "ciphers": "ECDHE-ECDSA-AES128-SHA256"}, False),
    ("", {"version": "TLS11", "ciphers": OLD}, False),
    ("min_version: TLS10", {"version": "TLS10", "ciphers": OLD}, True),
    ("min_version: TLS11", {"version": "TLS10", "ciphers": OLD}, False),
    ("min_version: TLS11", {"version": "TLS11", "ciphers": OLD}, True),
    ("min_version: TLS13", {"version": "TLS12"}, False),
    ("max_version: TLS12", {"version": "TLS13"}, False),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates made for this test."""
    made = tmp_path_factory.mktemp("tls")

    def make(name: str, san: str, by: str) -> None:
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
        command += ["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
        if by:
            command += ["-CA", f"{by}.pem", "-CAkey", f"{by}.key"]
            command += ["-addext", f"subjectAltName={san}"]
            command += ["-addext", "basicConstraints=critical,CA:false"]
        command += ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run(command, check=True, capture_output=True, cwd=made)

    make("ca", "", "")
    make("other", "", "")
    make("server", "IP:127.0.0.1", "ca")
    make(OURS, NAMES, "ca")
    make(OTHERS, "DNS:client.example", "other")
    return made


Serve = Callable[[str], Any]


def web_file(folder: Path, options: str) -> Path:
    path = folder / "web.yml"
    pair = "cert_file: server.pem, key_file: server.key"
    path.write_text(f"tls_server_config: {{{', '.join(filter(None, (pair, options)))}}}\n")
    return path


@pytest.fixture
def ours(folder: Path) -> Serve:
    @contextmanager
    def serve(options: str) -> Iterator[int]:
        path = web_file(folder, options)

        def make() -> Any:
            context = make_context(Settings(route_prefix="", web_config_file=str(path)))
            context.guard = Guard(str(path))
            return context

        with threaded(make) as (address, _):
            yield int(address.rpartition(":")[2])

    return serve


@pytest.fixture(scope="module")
def theirs(peers: Path, folder: Path) -> Iterator[Serve]:
    """One process: it reads its file at each handshake."""
    (folder / "p.yml").write_text("{}")
    command = [peers / "prometheus", f"--config.file={folder}/p.yml",
               f"--storage.tsdb.path={folder}/data", real_programs.ANY_PORT,
               f"--web.config.file={web_file(folder, '')}"]  # fmt: skip

    with real_programs.program(*command, log=folder / "log") as found:
        until(found.listens, "the address of the real one")

        @contextmanager
        def serve(options: str) -> Iterator[int]:
            web_file(folder, options)
            yield found.port

        yield serve


def let_in(
    port: int, folder: Path, shown: str = "", version: str = "", ciphers: str = "", group: str = ""
) -> bool:
    """Whether a request is answered. A client of TLS 1.3 is told late that it is not wanted."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    if ciphers:
        context.set_ciphers(ciphers)
    if version:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = VERSIONS[version]
    if group:
        set_groups(context, [group])
    if shown:
        context.load_cert_chain(folder / f"{shown}.pem", folder / f"{shown}.key")
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as line,
            context.wrap_socket(line, server_hostname="127.0.0.1") as secured,
        ):
            secured.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            # A server of TLS 1.0 sends the first byte alone.
            return secured.makefile("rb").read(12) == b"HTTP/1.1 200"
    except (ssl.SSLError, ConnectionError):
        return False


@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
@pytest.mark.parametrize(("options", "shown", "expected"), CASES)
def test_who_is_let_in(
    ours: Serve, folder: Path, options: str, shown: str, expected: bool, version: str
) -> None:
    with ours(options) as port:
        assert let_in(port, folder, shown, version) is expected


@pytest.mark.peers
@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
@pytest.mark.parametrize(("options", "shown", "expected"), CASES)
def test_the_real_one_lets_the_same_in(
    theirs: Serve, folder: Path, options: str, shown: str, expected: bool, version: str
) -> None:
    with theirs(options) as port:
        assert let_in(port, folder, shown, version) is expected


@pytest.mark.parametrize(("options", "insisting", "expected"), AGREEING)
def test_what_is_agreed_on(
    ours: Serve, folder: Path, options: str, insisting: dict[str, str], expected: bool
) -> None:
    with ours(options) as port:
        assert let_in(port, folder, **insisting) is expected


@pytest.mark.peers
@pytest.mark.parametrize(("options", "insisting", "expected"), AGREEING)
def test_the_real_one_agrees_on_the_same(
    theirs: Serve, folder: Path, options: str, insisting: dict[str, str], expected: bool
) -> None:
    with theirs(options) as port:
        assert let_in(port, folder, **insisting) is expected


def test_clients_are_told_whose_certificates_are_wanted(ours: Serve, folder: Path) -> None:
    with ours(ASKING.format(KINDS[4])) as port:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}"]
        said = subprocess.run(command, capture_output=True, text=True, input="").stdout
    names = said.partition("Acceptable client certificate CA names")[2]
    assert names.splitlines()[1].replace(" ", "") == "CN=ca"

"""TLS, users and headers, on real connections."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import bcrypt
import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "server"))  # its helpers

from fake_server import make_context
from running import until
from threaded import threaded

from promlab.config.web import load_web
from promlab.errors import ConfigError
from promlab.server.settings import Settings
from promlab.web.guard import Guard
from promlab.web.tls import server_context

PATHS = ["/", "/metrics", "/-/healthy", "/-/ready", "/api/v1/query?query=1", "/nothing", "/version"]


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def serve(path: Path, **limits: Any) -> Any:
    settings = Settings(route_prefix="", web_config_file=str(path))

    def make() -> Any:
        context = make_context(settings)
        context.guard = Guard(str(path))
        return context

    return threaded(make, **limits)


class Authority:
    """Certificates made for a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = self._made("ca", None)
        self.server = self._made("server", "IP:127.0.0.1")
        self.client = self._made("client", "DNS:client.example")

    def _made(self, name: str, san: str | None) -> Path:
        base = self.folder / name
        common = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
        common += ["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
        if san is not None:
            ca = self.folder / "ca"
            common += ["-CA", f"{ca}.pem", "-CAkey", f"{ca}.key"]
            common += ["-addext", f"subjectAltName={san}"]
            common += ["-addext", "basicConstraints=critical,CA:false"]
        subprocess.run(
            [*common, "-keyout", f"{base}.key", "-out", f"{base}.pem"],
            check=True,
            capture_output=True,
        )
        return Path(f"{base}.pem")

    def trusting(self, *, show: Path | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca))
        if show is not None:
            context.load_cert_chain(show, show.with_suffix(".key"))
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def test_without_the_password_nothing_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text(f"basic_auth_users: {{ann: '{hashed('secret')}', bob: '{hashed('other')}'}}\n")
    with serve(path) as (address, _):
        base = f"http://{address}"
        for where in PATHS:
            for auth in (None, ("ann", "other"), ("nobody", "secret"), ("ann", "")):
                answer = httpx.get(base + where, auth=auth)
                assert (answer.status_code, answer.text) == (401, "Unauthorized\n")
                assert answer.headers["www-authenticate"] == "Basic"
            assert httpx.get(base + where, auth=("ann", "secret")).status_code in (200, 302, 404)
        for header in ("Bearer x", "Basic !", "Basic " + "A" * 9, "Basic bm9jb2xvbg=="):
            answer = httpx.get(base + "/", headers={"Authorization": header})
            assert answer.status_code == 401


def test_passwords_are_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from promlab.web import guard as module

    calls = []
    real = module._matches
    monkeypatch.setattr(module, "_matches", lambda *given: calls.append(given) or real(*given))
    path = tmp_path / "web.yml"
    path.write_text(f"basic_auth_users: {{ann: '{hashed('secret')}'}}\n")
    with serve(path) as (address, _):
        for _ in range(3):
            auth = ("ann", "secret")
            assert httpx.get(f"http://{address}/-/healthy", auth=auth).status_code == 200
        assert len(calls) == 1
        # Somebody who does not exist costs the same.
        assert httpx.get(f"http://{address}/", auth=("eve", "x")).status_code == 401
        assert len(calls) == 2


def test_headers_are_on_every_answer(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text(
        "http_server_config:\n  headers: {X-Frame-Options: deny, "
        "Strict-Transport-Security: max-age=60}\n"
    )
    with serve(path) as (address, _):
        for where in PATHS:
            answer = httpx.get(f"http://{address}{where}")
            assert answer.headers["x-frame-options"] == "deny"
            assert answer.headers["strict-transport-security"] == "max-age=60"


def test_a_changed_file_counts_at_once_and_a_broken_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text(f"basic_auth_users: {{ann: '{hashed('one')}'}}\n")
    with serve(path) as (address, _):
        url = f"http://{address}/-/healthy"
        assert httpx.get(url, auth=("ann", "one")).status_code == 200
        path.write_text(f"basic_auth_users: {{ann: '{hashed('two')}'}}\n# longer\n")
        assert httpx.get(url, auth=("ann", "one")).status_code == 401
        assert httpx.get(url, auth=("ann", "two")).status_code == 200
        path.write_text("basic_auth_users: [")
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, auth=("ann", "two")).status_code == 200


def test_requests_can_be_limited(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text("rate_limit: {interval: 1h, burst: 2}\n")
    with serve(path) as (address, _):
        codes = [httpx.get(f"http://{address}/-/healthy").status_code for _ in range(4)]
    assert codes == [200, 200, 429, 429]


def test_tls_and_a_renewed_certificate(tmp_path: Path, authority: Authority) -> None:
    path = tmp_path / "web.yml"
    for kind in ("pem", "key"):
        source = authority.server.with_suffix(f".{kind}")
        (tmp_path / f"server.{kind}").write_bytes(source.read_bytes())
    path.write_text("tls_server_config: {cert_file: server.pem, key_file: server.key}\n")
    with serve(path) as (address, _):
        url = f"https://{address}/-/healthy"
        with httpx.Client(verify=authority.trusting()) as client:
            assert client.get(url).status_code == 200
            with pytest.raises(httpx.TransportError):
                httpx.get(f"http://{address}/-/healthy")
            other = Authority.__new__(Authority)
            other.folder = tmp_path / "new"
            other.folder.mkdir()
            other.ca = other._made("ca", None)
            other.server = other._made("server", "IP:127.0.0.1")
            for kind in ("key", "pem"):
                source = other.server.with_suffix(f".{kind}")
                (tmp_path / f"server.{kind}").write_bytes(source.read_bytes())

            def renewed() -> bool:
                with httpx.Client(verify=other.trusting()) as fresh:
                    return fresh.get(url).status_code == 200

            until(renewed, "the renewed certificate")
            assert client.get(url).status_code == 200  # its connection goes on


@pytest.mark.parametrize(("sans", "expected"), [("client.example", 200), ("other.example", None)])
def test_client_certificates(
    tmp_path: Path, authority: Authority, sans: str, expected: int | None
) -> None:
    path = tmp_path / "web.yml"
    path.write_text(
        f"tls_server_config:\n  cert_file: {authority.server}\n"
        f"  key_file: {authority.server.with_suffix('.key')}\n"
        f"  client_ca_file: {authority.ca}\n"
        "  client_auth_type: RequireAndVerifyClientCert\n"
        f"  client_allowed_sans: [{sans}]\n"
    )
    with serve(path) as (address, context):
        assert not context.guard.is_open
        url = f"https://{address}/-/healthy"
        with pytest.raises(httpx.TransportError):
            httpx.get(url, verify=authority.trusting())
        showing = authority.trusting(show=authority.client)
        if expected is None:
            with pytest.raises(httpx.TransportError):
                httpx.get(url, verify=showing)
        else:
            assert httpx.get(url, verify=showing).status_code == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing: 1", "unknown field 'nothing'"),
        ("tls_server_config: {cert_file: a}", "missing one of key or key_file"),
        ("tls_server_config: {key_file: a}", "missing one of cert or cert_file"),
        (
            "tls_server_config: {cert_file: a, key_file: b, client_auth_type: X}",
            "unknown client auth type 'X'",
        ),
        (
            "tls_server_config: {cert_file: a, key_file: b, client_ca: c, "
            "client_auth_type: NoClientCert}",
            "a client CA needs a client auth type that asks for certificates",
        ),
        (
            "tls_server_config: {cert_file: a, key_file: b, min_version: TLS13, "
            "max_version: TLS12}",
            "must not be less than min_version",
        ),
        ("http_server_config: {headers: {X-Foo: a}}", 'HTTP header "X-Foo" can not be configured'),
        ("http_server_config: {headers: {X-Frame-Options: a}}", "must be one of deny, sameorigin"),
        ("basic_auth_users: {a: plain}", "is not a bcrypt hash"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "web.yml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"web\.yml:1:") as caught:
        load_web(path)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("cipher_suites: [TLS_NO_SUCH]", "not known: TLS_NO_SUCH"),
        ("curve_preferences: [Curve1]", "not known: Curve1"),
        ("curve_preferences: [X25519MLKEM768]", "not known: X25519MLKEM768"),
        ("cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]", "not known: TLS_RSA_WITH"),
    ],
)
def test_what_openssl_can_not_do_is_refused(
    tmp_path: Path, authority: Authority, more: str, words: str
) -> None:
    path = tmp_path / "web.yml"
    path.write_text(
        f"tls_server_config:\n  cert_file: {authority.server}\n"
        f"  key_file: {authority.server.with_suffix('.key')}\n  {more}\n"
    )
    tls = load_web(path).tls_server_config
    assert tls is not None
    with pytest.raises(ConfigError, match=words):
        server_context(tls)


def test_chosen_ciphers_and_curves_are_taken(tmp_path: Path, authority: Authority) -> None:
    path = tmp_path / "web.yml"
    path.write_text(
        f"tls_server_config:\n  cert_file: {authority.server}\n"
        f"  key_file: {authority.server.with_suffix('.key')}\n  max_version: TLS12\n"
        "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n"
        "  curve_preferences: [CurveP256]\n"
    )
    tls = load_web(path).tls_server_config
    assert tls is not None
    names = [each["name"] for each in server_context(tls).get_ciphers()]
    assert "ECDHE-ECDSA-AES128-GCM-SHA256" in names
    assert "ECDHE-RSA-AES256-GCM-SHA384" not in names

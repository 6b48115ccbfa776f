"""`http_config` of receivers: tokens, proxies, certificates, headers, as the real one uses them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import trustme

from tests.alertmanager.alertmanager_process import (
    Call,
    Reply,
    Sink,
    alertmanager,
    eventually,
    sink,
)

# A name that no resolver knows: only a proxy gets there.
_BEYOND = "beyond.invalid"


@dataclass
class Tunnels:
    """A proxy that leads every CONNECT to one server."""

    url: str
    asked: list[str] = field(default_factory=list)


@contextlib.contextmanager
def tunnels(to: Sink) -> Iterator[Tunnels]:
    listener = socket.create_server(("127.0.0.1", 0))
    found = Tunnels(f"http://127.0.0.1:{listener.getsockname()[1]}")
    target = to.url.rpartition(":")[2]

    def copy(source: socket.socket, sink_: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink_.sendall(data)
        with contextlib.suppress(OSError):
            sink_.shutdown(socket.SHUT_WR)

    def serve(client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        found.asked.append(head.decode())
        server = socket.create_connection(("127.0.0.1", int(target)))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        back = threading.Thread(target=copy, args=(server, client), daemon=True)
        back.start()
        copy(client, server)
        back.join()
        client.close()
        server.close()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def reply(call: Call) -> Reply:
    """A token server on some paths; it refuses who names himself in the header on one of them."""
    if call.path == "/form" and "Authorization" in call.headers:
        return Reply(401, b'{"error": "invalid_client"}')
    if call.path == "/refused":
        return Reply(401, b'{"error": "invalid_client"}')
    if call.path in ("/token", "/form"):
        said = b'{"access_token": "t0k", "token_type": "bearer", "expires_in": 3600}'
        return Reply(body=said)
    return Reply()


def webhooks(plain: str, secure: str, tunnel: str, folder: Path) -> str:
    oauth2 = f"client_id: 'a b', client_secret: s3, token_url: '{plain}/token'"
    from_file = f"client_id: me, client_secret_file: {folder}/secret, token_url: '{plain}/form'"
    more = "scopes: [x, y], endpoint_params: {audience: z}"
    trust = f"ca_file: {folder}/ca.pem"
    mutual = f"{trust}, cert_file: {folder}/client.pem, key_file: {folder}/client.key"
    connect = f"proxy_url: '{tunnel}', proxy_connect_header: {{X-Pass: [sesame]}}"
    beyond = f"{trust}, server_name: 127.0.0.1"
    configs = [
        (f"{plain}/a", f"oauth2: {{{oauth2}, {more}}}"),
        (f"{plain}/b", f"oauth2: {{{from_file}}}"),
        (f"{plain}/c", "authorization: {type: Key, credentials: k}"),
        (f"{plain}/d", "basic_auth: {username: u, password: p}"),
        (f"{plain}/e", "http_headers: {X-One: {values: [a]}, X-Two: {secrets: [b]}}"),
        (f"http://{_BEYOND}/f", f"proxy_url: '{plain}'"),
        (f"{plain}/g", f"proxy_url: '{tunnel}', no_proxy: '127.0.0.1'"),
        (f"{secure}/h", f"tls_config: {{{mutual}}}"),
        (f"https://{_BEYOND}/i", f"{connect}, tls_config: {{{beyond}}}"),
        (
            f"{plain}/j",
            f"oauth2: {{client_id: me, client_secret: s, token_url: '{plain}/refused'}}",
        ),
        (f"{secure}/k", ""),  # an authority that nobody trusts
    ]
    return ", ".join(f"{{url: '{url}', http_config: {{{http}}}}}" for url, http in configs)


def shown(call: Call) -> dict[str, Any]:
    names = ("Authorization", "X-One", "X-Two", "Content-Type", "X-Pass")
    found: dict[str, Any] = {n: call.headers[n] for n in names if n in call.headers}
    if call.path in ("/token", "/form", "/refused"):
        found["form"] = sorted(parse_qsl(call.body.decode()))
    return found


@pytest.fixture
def certificates(tmp_path: Path) -> ssl.SSLContext:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    client = authority.issue_cert("client.example")
    client.cert_chain_pems[0].write_to_path(str(tmp_path / "client.pem"))
    client.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    (tmp_path / "secret").write_text("s4\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def exchange(folder: Path, tls: ssl.SSLContext, real: Path | None) -> dict[str, Any]:
    """What arrived where, by path, and what a proxy was asked."""
    with sink(reply) as plain, sink(tls=tls) as secure, tunnels(secure) as tunnel:
        hooks = webhooks(plain.url, secure.url, tunnel.url, folder)
        config = (
            "route: {receiver: r, group_wait: 0s}\n"
            f"receivers: [{{name: r, webhook_configs: [{hooks}]}}]\n"
        )
        home = folder / ("theirs" if real else "ours")
        with alertmanager(home, config, real=real) as am:
            am.post_alerts({"labels": {"alertname": "a"}})
            wanted = {"/a", "/b", "/c", "/d", "/e", "/g", "/refused", "/token", "/form"}
            eventually(
                lambda: (
                    wanted <= {call.path for call in plain.calls}
                    and any(call.path.endswith("/f") for call in plain.calls)
                    and {"/h", "/i"} <= {call.path for call in secure.calls}
                ),
                am.log.read_text,
            )
        calls: dict[str, Any] = {}
        for call in (*plain.calls, *secure.calls):
            found = calls.setdefault(call.path, [])
            if shown(call) not in found:  # what failed is tried again
                found.append(shown(call))
        first = tunnel.asked[0]
        calls["CONNECT"] = first.split("\r\n")[0], "X-Pass: sesame" in first
    return calls


def test_everything_of_http_config(tmp_path: Path, certificates: ssl.SSLContext) -> None:
    found = exchange(tmp_path, certificates, None)
    assert found["/a"] == [{"Authorization": "Bearer t0k", "Content-Type": "application/json"}]
    assert found["/b"][0]["Authorization"] == "Bearer t0k"
    assert found["/c"][0]["Authorization"] == "Key k"
    assert found["/e"][0]["X-Two"] == "b"
    assert "http://beyond.invalid/f" in found
    assert found["CONNECT"] == ("CONNECT beyond.invalid:443 HTTP/1.1", True)
    assert ("audience", "z") in found["/token"][0]["form"]
    assert not {"/j", "/k"} & found.keys()


@pytest.mark.peers
def test_as_the_real_one(peers: Path, tmp_path: Path, certificates: ssl.SSLContext) -> None:
    ours = exchange(tmp_path, certificates, None)
    theirs = exchange(tmp_path, certificates, peers)
    assert ours == theirs

"""Probes of real servers on this machine: HTTP, TLS, TCP with a conversation, DNS, ICMP."""

from __future__ import annotations

import gzip
import http.server
import socketserver
import ssl
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import ClassVar

import dnslib
import dnslib.server
import pytest
import trustme
from made_up_machine import parsed

from promlab.errors import ConfigError
from promlab.exporters.blackbox import modules
from promlab.exporters.blackbox.command import BlackboxExporter
from promlab.exporters.serving import Request
from tests.patience import until

MODULES = """\
modules:
  plain: {prober: http}
  strict:
    prober: http
    timeout: 5s
    http:
      valid_status_codes: [200, 404]
      valid_http_versions: ["HTTP/1.1"]
      method: POST
      body: sent
      headers: {X-Made: yes, Host: other.example}
      basic_auth: {username: me, password: hidden}
      fail_if_body_not_matches_regexp: ["POST.*Basic bWU6aGlkZGVu.*other.example.*sent"]
      fail_if_header_not_matches: [{header: X-Kind, regexp: "^good$"}]
  no_ssl: {prober: http, http: {fail_if_not_ssl: true}}
  no_words: {prober: http, http: {fail_if_body_matches_regexp: ["GET"]}}
  stay: {prober: http, http: {follow_redirects: false, valid_status_codes: [302]}}
  packed: {prober: http, http: {compression: gzip, fail_if_body_not_matches_regexp: ["GET"]}}
  small: {prober: http, http: {body_size_limit: 10}}
  trusting: {prober: http, http: {tls_config: {insecure_skip_verify: true}}}
  trusted: {prober: http, http: {fail_if_not_ssl: true, tls_config: {ca_file: "CA"}}}
  short: {prober: http, timeout: 1s}
  port: {prober: tcp}
  mail:
    prober: tcp
    tcp:
      query_response:
      - {expect: "^220 ([^ ]+) ESMTP", send: "EHLO ${1}"}
      - {expect: "^250 (.*)"}
      - {send: "QUIT"}
  deaf: {prober: tcp, timeout: 300ms, tcp: {query_response: [{expect: "^never"}]}}
  secure: {prober: tcp, tcp: {tls: true, tls_config: {ca_file: "CA", server_name: "127.0.0.1"}}}
  name: {prober: dns, dns: {query_name: made.example, query_type: A,
         validate_answer_rrs:
           {fail_if_none_matches_regexp: ["made.example.\\\\t.*\\\\tIN\\\\tA\\\\t192.0.2.7"]}}}
  name_tcp: {prober: dns, dns: {query_name: made.example, query_type: A, transport_protocol: tcp}}
  no_name: {prober: dns, dns: {query_name: none.example, query_type: A}}
  wrong_name: {prober: dns, dns: {query_name: made.example, query_type: A,
         validate_answer_rrs: {fail_if_matches_regexp: ["192"]}}}
  ping: {prober: icmp, timeout: 2s, icmp: {preferred_ip_protocol: ip4}}
"""


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        told = [self.command, self.headers.get("Authorization", ""), self.headers["Host"]]
        body = " ".join([*told, self.rfile.read(size).decode()]).encode()
        if self.path == "/slow":
            threading.Event().wait(5.0)
        status = {"/missing": 404, "/moved": 302, "/round": 302}.get(self.path, 200)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/round" if self.path == "/round" else "/")
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Last-Modified", "Thu, 01 Jan 1970 00:01:40 GMT")
        self.send_header("X-Kind", "good")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


class Mail(socketserver.StreamRequestHandler):
    said: ClassVar[list[bytes]] = []

    def handle(self) -> None:
        # A probe that hangs up says nothing; its thread may be here before another's last word.
        self.wfile.write(b"220 mail.example ESMTP\r\n")
        self.said += filter(None, [self.rfile.readline()])
        self.wfile.write(b"250 hello\r\n")
        self.said += filter(None, [self.rfile.readline()])


class Names:
    def resolve(self, request: dnslib.DNSRecord, _: object) -> dnslib.DNSRecord:
        reply = request.reply()
        if str(request.q.qname) == "made.example.":
            reply.add_answer(*dnslib.RR.fromZone("made.example. 60 IN A 192.0.2.7"))
        else:
            reply.header.rcode = dnslib.RCODE.NXDOMAIN
        return reply


@contextmanager
def threaded(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    with threaded(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secure_pages(authority: trustme.CA) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # refused handshakes
    with threaded(server) as port:
        yield f"https://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> BlackboxExporter:
    folder = tmp_path_factory.mktemp("blackbox")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    path = folder / "blackbox.yml"
    path.write_text(MODULES.replace('"CA"', f'"{folder / "ca.pem"}"'))
    return BlackboxExporter(str(path))


def ask(exporter: BlackboxExporter, module: str, target: str, **more: str) -> str:
    parameters = {"target": [target], "module": [module], **{k: [v] for k, v in more.items()}}
    answer = exporter.probe(Request("GET", parameters, Message()))
    assert answer.status == 200, answer.body
    return answer.body.decode()


def test_a_page(exporter: BlackboxExporter, pages: str) -> None:
    found = parsed(ask(exporter, "plain", f"{pages}/moved"))
    values = {name: value for (name, labels), value in found.items() if not labels}
    assert values["probe_success"] == 1
    assert values["probe_http_status_code"] == 200
    assert values["probe_http_redirects"] == 1
    assert values["probe_http_ssl"] == 0
    assert values["probe_http_version"] == 1.1
    assert values["probe_ip_protocol"] == 4
    assert values["probe_http_last_modified_timestamp_seconds"] == 100
    assert values["probe_failed_due_to_regex"] == 0
    assert 0 < values["probe_duration_seconds"] < 60
    phases = {labels[0][1] for (name, labels) in found if name == "probe_http_duration_seconds"}
    assert phases == {"resolve", "connect", "tls", "processing", "transfer"}


@pytest.mark.parametrize(
    ("module", "path", "success"),
    [
        ("plain", "/missing", 0), ("strict", "/missing", 1), ("no_ssl", "/", 0),
        ("no_words", "/", 0),
        ("stay", "/moved", 1), ("plain", "/round", 0), ("packed", "/", 1), ("small", "/", 0),
        ("short", "/slow", 0), ("short", "/", 1),
    ],
)  # fmt: skip
def test_what_an_answer_must_be(
    exporter: BlackboxExporter, pages: str, module: str, path: str, success: float
) -> None:
    found = parsed(ask(exporter, module, pages + path))
    assert found["probe_success", ()] == success
    assert found["probe_failed_due_to_regex", ()] == (module == "no_words")


def test_certificates(exporter: BlackboxExporter, secure_pages: str) -> None:
    assert parsed(ask(exporter, "plain", secure_pages))["probe_success", ()] == 0
    trusting = parsed(ask(exporter, "trusting", secure_pages))
    trusted = parsed(ask(exporter, "trusted", secure_pages))
    for found in (trusting, trusted):
        assert found["probe_success", ()] == 1
        assert found["probe_http_ssl", ()] == 1
        assert any(name == "probe_tls_version_info" for name, _ in found)
    key = ("probe_ssl_earliest_cert_expiry", ())
    assert trusting[key] == trusted[key] > 1e9
    secure = ask(exporter, "secure", secure_pages.removeprefix("https://"))
    assert parsed(secure)["probe_success", ()] == 1


@pytest.mark.parametrize(
    "target",
    ["http://", "ftp://x", "http://127.0.0.1:1", "http://[", "http://x:99999", "http://a b/"],
)
def test_targets_that_are_none(exporter: BlackboxExporter, target: str) -> None:
    assert parsed(ask(exporter, "plain", target))["probe_success", ()] == 0


def test_a_conversation(exporter: BlackboxExporter) -> None:
    Mail.said.clear()
    with threaded(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail)) as port:
        target = f"127.0.0.1:{port}"
        assert parsed(ask(exporter, "mail", target))["probe_success", ()] == 1
        assert parsed(ask(exporter, "port", target))["probe_success", ()] == 1
        deaf = parsed(ask(exporter, "deaf", target))
    until(lambda: len(Mail.said) >= 2, "both lines of the mail client")
    assert Mail.said[:2] == [b"EHLO mail.example\n", b"QUIT\n"]
    assert (deaf["probe_success", ()], deaf["probe_failed_due_to_regex", ()]) == (0, 1)
    assert parsed(ask(exporter, "port", "nonsense"))["probe_success", ()] == 0


def test_names(exporter: BlackboxExporter) -> None:
    quiet = dnslib.server.DNSLogger("-request,-reply,-truncated,-error", prefix=False)
    servers = [
        dnslib.server.DNSServer(Names(), address="127.0.0.1", port=0, tcp=tcp, logger=quiet)
        for tcp in (False, True)
    ]
    for server in servers:
        server.start_thread()
    try:
        udp, tcp = (f"127.0.0.1:{server.server.server_address[1]}" for server in servers)
        found = parsed(ask(exporter, "name", udp))
        assert (found["probe_success", ()], found["probe_dns_answer_rrs", ()]) == (1, 1)
        assert parsed(ask(exporter, "name_tcp", tcp))["probe_success", ()] == 1
        assert parsed(ask(exporter, "no_name", udp))["probe_success", ()] == 0
        assert parsed(ask(exporter, "wrong_name", udp))["probe_success", ()] == 0
    finally:
        for server in servers:
            server.stop()
            server.server.server_close()


def test_ping(exporter: BlackboxExporter) -> None:
    text = ask(exporter, "ping", "127.0.0.1", debug="true")
    if "not allowed" in text or "no ICMP here" in text:
        pytest.skip("this system allows no ICMP")
    assert "\nprobe_success 1" in text
    assert 'probe_icmp_duration_seconds{phase="rtt"}' in text


def test_debugging_shows_no_secrets(exporter: BlackboxExporter, pages: str) -> None:
    text = ask(exporter, "strict", f"{pages}/", debug="true")
    assert "the probe succeeded" in text
    assert "hidden" not in text
    assert "<secret>" in text
    request = Request("GET", {}, Message())
    assert b"hidden" not in exporter.config(request).body
    assert b"success strict" in exporter.history(request).body


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modules: {a: {prober: grpc}}", r"modules.a.prober: no prober 'grpc'"),
        ("modules: {a: {prober: http, http: {metod: GET}}}", "metod"),
        ("modules: {a: {prober: http, timeout: long}}", "modules.a.timeout"),
        ("modules: {a: {prober: dns}}", "query_name must be given"),
        (
            "modules: {a: {prober: http, http: {fail_if_body_matches_regexp: ['(']}}}",
            "matches_regexp",
        ),
        ("modules: [", ":1"),
        ("models: {}", "models"),
    ],
)
def test_files_that_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "blackbox.yml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as refused:
        modules.load(str(path))
    assert str(path) in str(refused.value)


def test_the_command(tmp_path: Path, pages: str, run_kind: Callable[..., str]) -> None:
    path = tmp_path / "blackbox.yml"
    path.write_text("modules: {a: {prober: http}}\n")
    base = run_kind("blackbox", f"--config.file={path}").removesuffix("/metrics")

    def get(where: str, method: str = "GET") -> tuple[int, str]:
        try:
            request = urllib.request.Request(base + where, method=method)
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    target = urllib.parse.quote(pages)
    assert "probe_success 1" in get(f"/probe?target={target}&module=a")[1]
    assert get(f"/probe?target={target}&module=b")[0] == 400
    assert get("/probe?module=a")[0] == 400
    path.write_text("modules: {b: {prober: tcp}}\n")
    assert get("/-/reload")[0] == 405
    assert get("/-/reload", "POST")[0] == 200
    assert get(f"/probe?target={target}&module=a")[0] == 400
    path.write_text("modules: {b: {prober: nothing}}\n")
    assert get("/-/reload", "POST")[0] == 500
    assert "prober: tcp" in get("/config")[1]
    assert "config_last_reload_successful 0" in get("/metrics")[1]
    assert "blackbox_module_unknown_total 2" in get("/metrics")[1]


@pytest.mark.peers
def test_promtool_finds_nothing(exporter: BlackboxExporter, pages: str, peers: Path) -> None:
    text = ask(exporter, "plain", pages)
    done = subprocess.run(
        [peers / "promtool", "check", "metrics"], input=text, capture_output=True, text=True
    )
    found = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    # Names that dashboards rely on, and that the linter does not like.
    assert [line for line in found if "probe_http_version" not in line] == []

"""Peers: membership as a table, and three real processes of which one is killed."""

from __future__ import annotations

import ssl
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from promlab.alertmanager.cluster.messages import BadMessage, decode
from promlab.alertmanager.cluster.state import FAILED_AFTER, Member, Members
from tests.alertmanager.alertmanager_process import (
    Running,
    Sink,
    alertmanager,
    eventually,
    free_port,
    sink,
)
from tests.patience import PATIENCE_S

FAST = (
    "--cluster.peer-timeout=3s", "--cluster.probe-interval=100ms",
    "--cluster.gossip-interval=50ms", "--cluster.settle-timeout=10s",
    "--cluster.reconnect-interval=300ms",
)  # fmt: skip


def member(name: str, incarnation: int = 1, *, left: bool = False) -> Member:
    return Member(name, f"{name}:1", incarnation, left)


def test_position_is_by_name_among_the_living() -> None:
    members = Members(member("b"), 60.0)
    assert members.position == 0
    assert members.merge([member("a"), member("c")], 0.0)
    assert members.position == 1
    for _ in range(FAILED_AFTER):
        members.no_answer("a", 1.0)
    assert (members.position, [m.name for m in members.failed]) == (0, ["a"])
    members.heard_from("a", 2.0)
    assert (members.position, members.failed) == (1, [])


def test_older_word_is_no_news() -> None:
    members = Members(member("b"), 60.0)
    assert members.merge([member("a", 5)], 0.0)
    assert not members.merge([member("a", 4)], 0.0)
    assert members.merge([member("a", 6, left=True)], 0.0)
    assert members.alive == []
    assert not members.merge([member("b", 0)], 0.0)


def test_a_peer_defends_itself_against_a_later_word() -> None:
    members = Members(member("b", 1), 60.0)
    assert members.merge([member("b", 7, left=True)], 0.0)
    assert members.own.incarnation == 8
    assert not members.own.left


def test_lost_peers_are_forgotten_in_the_end() -> None:
    members = Members(member("b"), 60.0)
    members.merge([member("a")], 0.0)
    for _ in range(FAILED_AFTER):
        members.no_answer("a", 10.0)
    members.no_answer("a", 69.0)
    assert len(members.failed) == 1
    members.no_answer("a", 71.0)
    assert members.failed == []


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b'{"sender": 5}', b"\xff",
            b'{"sender":{"name":"a","address":"b","incarnation":1},"version":9}',
            b'{"sender":{"name":"a","address":"b","incarnation":1},"label":"other"}'],
)  # fmt: skip
def test_bad_messages(raw: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(raw, "")


def config(url: str) -> str:
    return f"""
route: {{receiver: a, group_by: [alertname], group_wait: 300ms, group_interval: 1s,
  repeat_interval: 1h}}
receivers: [{{name: a, webhook_configs: [{{url: "{url}"}}]}}]
"""


def start(stack: ExitStack, folder: Path, hook: Sink, count: int) -> list[Running]:
    ports = [free_port() for _ in range(count)]
    peers = [f"--cluster.peer=127.0.0.1:{port}" for port in ports]
    return [
        stack.enter_context(
            alertmanager(
                folder / f"am{i}", config(hook.url), f"--cluster.peer-name=peer{i}", *peers, *FAST,
                cluster=f"127.0.0.1:{ports[i]}", wait=False,
            )
        )
        for i in range(count)
    ]  # fmt: skip


def is_whole(am: Running, count: int) -> bool:
    cluster = am.get("/api/v2/status")["cluster"]
    return cluster["status"] == "ready" and len(cluster["peers"]) == count


@pytest.mark.slow
def test_three_peers_one_notification_also_when_one_is_killed(tmp_path: Path) -> None:
    with ExitStack() as stack:
        hook = stack.enter_context(sink())
        peers = start(stack, tmp_path, hook, 3)
        for am in peers:
            eventually(am.ready)
            eventually(lambda am=am: is_whole(am, 3))
        # A silence made on one is on all, and its end too.
        made = peers[1].silence(("x", "y"))
        for am in peers:
            eventually(lambda am=am: am.call("GET", f"/api/v2/silence/{made}")[0] == 200)
        peers[2].call("DELETE", f"/api/v2/silence/{made}")
        for am in peers:
            eventually(
                lambda am=am: am.get(f"/api/v2/silence/{made}")["status"]["state"] == "expired"
            )
        for am in peers:
            am.post_alerts({"labels": {"alertname": "First"}})
        eventually(lambda: hook.calls)
        for am in peers[1:]:
            eventually(lambda am=am: "alertmanager_nflog_entries 1" in am.get("/metrics"))
        # The one whose turn is first dies: the next takes over.
        peers[0].kill()
        alive = peers[1:]
        for am in alive:
            eventually(lambda am=am: is_whole(am, 2))
        assert "alertmanager_cluster_failed_peers 1" in alive[0].get("/metrics")
        for am in alive:
            am.post_alerts({"labels": {"alertname": "Second"}})
        eventually(lambda: len(hook.calls) >= 2)
        # Longer than everybody's turn and the next flush: nothing comes twice.
        deadline = time.monotonic() + 8
        eventually(lambda: time.monotonic() > deadline)
        sent = [call.json["groupLabels"]["alertname"] for call in hook.calls]
        assert sent == ["First", "Second"]
        # It comes back with what it missed.
        missed = alive[0].silence(("while", "away"))
        ports = [a for a in peers[0].process.args if str(a).startswith("--cluster")]  # type: ignore[union-attr]
        listen = next(str(a).partition("=")[2] for a in ports if "listen" in str(a))
        others = [str(a) for a in ports if "listen" not in str(a)]
        back = stack.enter_context(
            alertmanager(tmp_path / "am0", config(hook.url), *others, cluster=listen)
        )
        eventually(lambda: back.call("GET", f"/api/v2/silence/{missed}")[0] == 200)
        for am in [back, *alive]:
            eventually(lambda am=am: is_whole(am, 3))


def test_labels_keep_clusters_apart(tmp_path: Path) -> None:
    with ExitStack() as stack:
        port = free_port()
        one = stack.enter_context(
            alertmanager(tmp_path / "a", config("http://x/"), "--cluster.label=one", *FAST,
                         cluster=f"127.0.0.1:{port}")
        )  # fmt: skip
        two = stack.enter_context(
            alertmanager(tmp_path / "b", config("http://x/"), "--cluster.label=two",
                         f"--cluster.peer=127.0.0.1:{port}", *FAST[:3],
                         cluster="127.0.0.1:0")
        )  # fmt: skip
        eventually(lambda: "Peer refused" in two.log.read_text())
        assert "another cluster" in two.log.read_text()
        for am in (one, two):
            assert len(am.get("/api/v2/status")["cluster"]["peers"]) == 1


def certificates(folder: Path, authority: trustme.CA, *, extra: str = "") -> str:
    """A peer's files for --cluster.tls-config; its certificate is for a name, not an address."""
    folder.mkdir()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued = authority.issue_cert("peer.example")
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    pair = "cert_file: cert.pem, key_file: key.pem"
    (folder / "tls.yml").write_text(
        f"tls_server_config: {{{pair}, client_ca_file: ca.pem,"
        " client_auth_type: RequireAndVerifyClientCert}\n"
        f"tls_client_config: {{{pair}, ca_file: ca.pem, server_name: peer.example}}\n{extra}"
    )
    return f"--cluster.tls-config={folder / 'tls.yml'}"


def test_peers_know_each_other_by_certificates(tmp_path: Path) -> None:
    authority, ports = trustme.CA(), [free_port() for _ in range(3)]
    peers = [f"--cluster.peer=127.0.0.1:{port}" for port in ports]
    with ExitStack() as stack:
        two = [
            stack.enter_context(
                alertmanager(
                    tmp_path / f"am{i}", config("http://x/"),
                    certificates(tmp_path / f"tls{i}", authority), *peers, *FAST,
                    cluster=f"127.0.0.1:{ports[i]}", wait=False,
                )
            )
            for i in range(2)
        ]  # fmt: skip
        # A third one has its certificate from somebody else.
        stranger = stack.enter_context(
            alertmanager(
                tmp_path / "am2", config("http://x/"),
                certificates(tmp_path / "tls2", trustme.CA()), *peers, *FAST,
                cluster=f"127.0.0.1:{ports[2]}", wait=False,
            )
        )  # fmt: skip
        for am in (*two, stranger):
            eventually(am.ready)
        for am in two:
            eventually(lambda am=am: is_whole(am, 2))
        made = two[0].silence(("x", "y"))
        eventually(lambda: two[1].call("GET", f"/api/v2/silence/{made}")[0] == 200)
        eventually(lambda: "Peer not reached" in stranger.log.read_text())
        assert stranger.call("GET", f"/api/v2/silence/{made}")[0] == 404
        assert len(two[0].get("/api/v2/status")["cluster"]["peers"]) == 2
        # Nor does plain HTTP get in, or a client without a certificate.
        context = ssl.create_default_context(cafile=str(tmp_path / "tls0" / "ca.pem"))
        context.check_hostname = False
        for url, tls in ((f"http://127.0.0.1:{ports[0]}/", None),
                         (f"https://127.0.0.1:{ports[0]}/", context)):  # fmt: skip
            with pytest.raises(OSError):  # noqa: PT011  (reset, or refused, as TLS has it)
                urllib.request.urlopen(url, context=tls, timeout=PATIENCE_S)


def test_bad_tls_settings_of_a_cluster(tmp_path: Path) -> None:
    path = tmp_path / "tls.yml"
    for text, message in (
        ("tls_client_config: {}\n", "missing 'tls_server_config'"),
        ("tls_server_config: {cert_file: none.pem, key_file: none.key}\n"
         "tls_client_config: {}\n", "none.pem"),
    ):  # fmt: skip
        path.write_text(text)
        with alertmanager(
            tmp_path / "am", config("http://x/"), f"--cluster.tls-config={path}",
            cluster="127.0.0.1:0", wait=False,
        ) as am:  # fmt: skip
            assert am.process.wait(60) != 0
            assert message in am.log.read_text()
            assert "Traceback" not in am.log.read_text()

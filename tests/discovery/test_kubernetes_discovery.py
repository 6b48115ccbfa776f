"""Kubernetes: what a watch changes, what the server forgets, who asks."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from discovering import Labels, discovered, discovering
from fake_api import serving
from fake_kubernetes import ENDPOINTS, FakeKubernetes, cluster, meta, node, pod

from promlab.config.mechanisms.kubernetes import Kubernetes
from promlab.discovery.kubernetes.access import access_of
from promlab.errors import ConfigError


def section(base: str, role: str, more: str = "") -> str:
    return f"kubernetes_sd_configs: [{{role: {role}, api_server: '{base}'{more}}}]"


def by_address(found: list[Labels]) -> dict[str, Labels]:
    return {labels["__address__"]: labels for labels in found}


async def test_pods_come_and_go() -> None:
    fake = FakeKubernetes(pods=[pod("a", "10.0.0.1")])
    with serving(fake.routes()) as api:
        async with discovering(section(api.base, "pod")) as watched:
            assert {x["__meta_kubernetes_pod_name"] for x in await watched.next()} == {"a"}
            fake.put("pods", pod("b", "10.0.0.2"))
            found = await watched.next()
            assert {x["__meta_kubernetes_pod_name"] for x in found} == {"a", "b"}
            fake.put("pods", pod("b", "10.0.0.3"))
            assert "10.0.0.3:8080" in by_address(await watched.next())
            fake.delete("pods", "a", "default")
            found = await watched.next()
            assert {x["__meta_kubernetes_pod_name"] for x in found} == {"b"}
        assert fake.watches == 1, "one watch went on all the time"
        events = {
            key[1]: count for key, count in watched.stats.others.items() if "events" in key[0]
        }
        assert events[("event", "delete"), ("role", "pod")] == 1


async def test_what_the_server_has_forgotten_is_listed_again() -> None:
    fake = FakeKubernetes(nodes=[node("n1", "192.0.2.1")])
    with serving(fake.routes()) as api:
        async with discovering(section(api.base, "node")) as watched:
            await watched.until(["192.0.2.1:10250"])
            # What happens meanwhile is in no watch any more.
            fake.put("nodes", node("n2", "192.0.2.2"))
            fake.delete("nodes", "n1")
            fake.log.clear()
            fake.forgotten = fake.version + 1
            fake.version += 5
            await watched.until(["192.0.2.2:10250"])
            assert watched.updates.empty()


async def test_endpoints_follow_their_pods_services_and_nodes() -> None:
    fake = cluster()
    with serving(fake.routes()) as api:
        more = ", attach_metadata: {node: true, namespace: true}"
        async with discovering(section(api.base, "endpoints", more)) as watched:
            first = by_address(await watched.next())["10.0.0.1:8080"]
            assert first["__meta_kubernetes_namespace_label_team"] == "lab"
            assert first["__meta_kubernetes_service_label_svc"] == "web"
            changes: list[tuple[str, dict[str, Any], str]] = [
                ("pods", pod("web-a", "10.0.0.1", canary="yes"), "pod_label_canary"),
                ("nodes", node("n1", "192.0.2.1", canary="yes"), "node_label_canary"),
                ("services", {"metadata": meta("web", "default", labels={"canary": "yes"})},
                 "service_label_canary"),
                ("namespaces", {"metadata": meta("default", labels={"canary": "yes"})},
                 "namespace_label_canary"),
            ]  # fmt: skip
            for plural, item, label in changes:
                fake.put(plural, item)
                found = by_address(await watched.next())["10.0.0.1:8080"]
                assert found[f"__meta_kubernetes_{label}"] == "yes"


async def test_heartbeats_of_nodes_change_nothing() -> None:
    fake = cluster()
    with serving(fake.routes()) as api:
        more = ", attach_metadata: {node: true}"
        async with discovering(section(api.base, "endpoints", more)) as watched:
            await watched.next()
            beat = node("n1", "192.0.2.1", zone="z1")
            beat["status"]["conditions"] = [{"type": "Ready", "lastHeartbeatTime": "now"}]
            fake.put("nodes", beat)
            fake.put("endpoints", {**ENDPOINTS, "subsets": []})
            assert await watched.next() == [], "the next update is that of the endpoints"


async def test_selectors_and_namespaces_are_asked_for() -> None:
    fake = cluster()
    more = (
        ", namespaces: {names: [default, other]}, "
        "selectors: [{role: pod, label: 'app in (web,api)', field: 'status.phase=Running'}]"
    )
    with serving(fake.routes()) as api:
        await discovered(section(api.base, "pod", more))
    lists = [r for r in fake.requests if "watch" not in r.query and "continue" not in r.query]
    assert {r.path for r in lists} == {
        "/api/v1/namespaces/default/pods", "/api/v1/namespaces/other/pods",
    }  # fmt: skip
    for request in fake.requests:
        assert request.query["labelSelector"] == "app in (web,api)"
        assert request.query["fieldSelector"] == "status.phase=Running"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: web.Response(status=403, text="forbidden: no"), "403"),
        (lambda _: web.Response(text="<html>"), "not valid JSON"),
        ({"items": {}}, "expected a list"),
        ({"items": [{"metadata": {}}]}, "an object without a name"),
        ([], "expected an object"),
    ],
)
async def test_an_api_server_that_answers_garbage(
    answer: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving({"GET *": answer}) as api:
        sections = section(api.base, "pod") + "\nstatic_configs: [{targets: [a:1]}]"
        async with discovering(sections) as watched:
            await watched.until(["a:1"])
    assert reason in caplog.text


async def test_one_bad_object_does_not_hide_the_others(caplog: pytest.LogCaptureFixture) -> None:
    bad = pod("bad", "10.0.0.7")
    bad["spec"]["containers"] = "none"
    fake = FakeKubernetes(pods=[pod("a", "10.0.0.1"), bad])
    with serving(fake.routes()) as api:
        found = await discovered(section(api.base, "pod"))
    assert {labels["__meta_kubernetes_pod_name"] for labels in found} == {"a"}
    assert "leaves pod/default/bad out" in caplog.text


def kubeconfig(folder: Path, user: str, cluster: str = "server: 'https://k:6443'") -> Kubernetes:
    path = folder / "kubeconfig"
    path.write_text(
        "current-context: c\n"
        "contexts: [{name: c, context: {cluster: lab, user: me, namespace: mine}}]\n"
        f"clusters: [{{name: lab, cluster: {{{cluster}}}}}]\n"
        f"users: [{{name: me, user: {{{user}}}}}]\n"
    )
    return Kubernetes(role="pod", kubeconfig_file=str(path))


def test_kubeconfig(tmp_path: Path) -> None:
    found = access_of(kubeconfig(tmp_path, "token: s3cret"))
    assert (found.url, found.namespace) == ("https://k:6443", "mine")
    assert found.http.authorization is not None
    assert found.http.authorization.credentials.reveal() == "s3cret"
    assert "s3cret" not in repr(found)
    key = base64.b64encode(b"KEY").decode()
    user = f"client-certificate: me.pem, client-key-data: {key}"
    found = access_of(kubeconfig(tmp_path, user))
    assert found.http.tls_config.cert_file == str(tmp_path / "me.pem")
    assert found.http.tls_config.key.reveal() == "KEY"
    found = access_of(kubeconfig(tmp_path, "username: u, password: p"))
    assert found.http.basic_auth is not None


@pytest.mark.parametrize(
    ("user", "cluster", "message"),
    [
        ("exec: {command: aws}", "server: 'https://k'", "exec is not supported"),
        ("token: x", "server: 'k:6443'", "server must be a URL"),
        ("client-key-data: '???'", "server: 'https://k'", "not base64"),
    ],
)
def test_bad_kubeconfigs_say_where(tmp_path: Path, user: str, cluster: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        access_of(kubeconfig(tmp_path, user, cluster))
    assert caught.value.line


def test_in_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="needs a pod to run in"):
        access_of(Kubernetes(role="pod"), tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "namespace").write_text("mine\n")
    found = access_of(Kubernetes(role="pod"), tmp_path)
    assert (found.url, found.namespace) == ("https://[fd00::1]:443", "mine")
    assert found.http.authorization is not None
    assert found.http.authorization.credentials_file == str(tmp_path / "token")

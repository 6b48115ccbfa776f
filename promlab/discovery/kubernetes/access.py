"""Where the API server is and who asks it: the section, a kubeconfig file, or the pod's account."""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from pathlib import Path

from promlab.config.document import At, parse, read_text
from promlab.config.http_client import Authorization, BasicAuth, HttpClientConfig, TLSConfig
from promlab.config.mechanisms.kubernetes import Kubernetes
from promlab.config.secret import Secret
from promlab.errors import ConfigError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Access:
    """The API server's URL, how to ask it, and the namespace that we are in ("" if none)."""

    url: str
    http: HttpClientConfig
    namespace: str = ""


def access_of(config: Kubernetes, account: Path = ACCOUNT) -> Access:
    """How to get at the API server of a section. Raises ConfigError if that is nowhere said."""
    if config.kubeconfig_file:
        return _from_kubeconfig(config.kubeconfig_file)
    if config.api_server:
        return Access(config.api_server.rstrip("/"), config.http)
    return _in_cluster(account)


def _in_cluster(account: Path) -> Access:
    host, port = (
        os.environ.get("KUBERNETES_SERVICE_HOST"),
        os.environ.get("KUBERNETES_SERVICE_PORT"),
    )
    if not host or not port:
        raise ConfigError(
            "kubernetes discovery without api_server and kubeconfig_file needs a pod to run in: "
            "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set"
        )
    http = HttpClientConfig(
        # The file is read again and again: the cluster renews the token.
        authorization=Authorization(credentials_file=str(account / "token")),
        tls_config=TLSConfig(ca_file=str(account / "ca.crt")),
    )
    namespace = account / "namespace"
    own = namespace.read_text().strip() if namespace.is_file() else ""
    shown = f"[{host}]" if ":" in host else host
    return Access(f"https://{shown}:{port}", http, own)


def _from_kubeconfig(path: str) -> Access:
    """What the current context of a kubeconfig file says."""
    root = parse(read_text(path), path)
    context = _named(root, "contexts", root.get("current-context").text(), "context")
    cluster = _named(root, "clusters", _text(context, "cluster"), "cluster")
    name = _text(context, "user")
    user = _named(root, "users", name, "user") if name else None
    url = _text(cluster, "server").rstrip("/")
    if not url.startswith(("http://", "https://")):
        cluster.fail("server must be a URL with http:// or https://")
    tls = TLSConfig(
        ca=_data(cluster, "certificate-authority-data"),
        ca_file=_file(cluster, "certificate-authority", path),
        insecure_skip_verify=_text(cluster, "insecure-skip-tls-verify") == "true",
        server_name=_text(cluster, "tls-server-name"),
        cert=_data(user, "client-certificate-data"),
        cert_file=_file(user, "client-certificate", path),
        key=Secret(_data(user, "client-key-data")),
        key_file=_file(user, "client-key", path),
    )
    return Access(url, _authenticated(user, tls, path), _text(context, "namespace"))


def _authenticated(user: At | None, tls: TLSConfig, path: str) -> HttpClientConfig:
    if user is not None:
        for key in ("exec", "auth-provider"):
            if key in user.entries():
                user.get(key).fail(
                    f"{key} is not supported: use a token, a certificate or a password"
                )
    token, token_file = _text(user, "token"), _file(user, "tokenFile", path)
    if token or token_file:
        bearer = Authorization(
            credentials=Secret("" if token_file else token), credentials_file=token_file
        )
        return HttpClientConfig(authorization=bearer, tls_config=tls)
    name = _text(user, "username")
    basic = BasicAuth(username=name, password=Secret(_text(user, "password"))) if name else None
    return HttpClientConfig(basic_auth=basic, tls_config=tls)


def _named(root: At, key: str, name: str, kind: str) -> At:
    items = root.get(key).items() if key in root.entries() else []
    for item in items:
        if _text(item, "name") == name:
            return item.get(kind)
    root.fail(f"no {kind} {name!r} in {key}")


def _text(at: At | None, key: str) -> str:
    found = at.entries().get(key) if at is not None else None
    return found[1].text() if found else ""


def _data(at: At | None, key: str) -> str:
    text = _text(at, key)
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        assert at is not None
        at.get(key).fail("not base64 text")


def _file(at: At | None, key: str, path: str) -> str:
    text = _text(at, key)
    return str(Path(path).parent / text) if text else ""

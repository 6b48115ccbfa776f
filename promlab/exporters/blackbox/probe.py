"""What the probers have in common: time that runs out, a log, addresses, certificates."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from promlab.errors import PromlabError
from promlab.exporters.blackbox.modules import TLSConfig
from promlab.exporters.families import Family, gauge
from promlab.model.matchers import compile_regex

MAX_LOG = 200


class ProbeFailed(PromlabError):
    """The target is not as it should be."""


class Probe:
    """One probe: what it measures, what it says, and until when it may run."""

    def __init__(self, timeout_s: float) -> None:
        self.started = time.perf_counter()
        self._end = self.started + timeout_s
        self.lines: list[str] = []
        self._families: dict[str, Family] = {}

    def log(self, text: str) -> None:
        """A line for `debug=true`."""
        if len(self.lines) < MAX_LOG:
            self.lines.append(f"{time.perf_counter() - self.started:8.3f} {text}")

    @property
    def left_s(self) -> float:
        """Seconds that are left. Raises ProbeFailed when there are none."""
        left = self._end - time.perf_counter()
        if left <= 0:
            raise ProbeFailed("the time is up")
        return left

    def measure(
        self, name: str, help_: str, value: float, labels: Mapping[str, str] | None = None
    ) -> None:
        """Set a gauge; the latest value of a label set counts."""
        family = self._families.setdefault(name, gauge(name, help_))
        labels = labels or {}
        family.samples = [sample for sample in family.samples if sample[1] != labels]
        family.add(float(value), labels)

    def families(self) -> list[Family]:
        """What was measured."""
        return list(self._families.values())

    def resolve(self, host: str, preferred: str, fallback: bool) -> str:
        """An address of a host, of the preferred kind if there is one. Raises ProbeFailed."""
        started = time.perf_counter()
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise ProbeFailed(f"{host} can't be resolved: {error}") from None
        finally:
            took = time.perf_counter() - started
            self.measure(
                "probe_dns_lookup_time_seconds", "Time taken by looking the host up.", took
            )
        wanted = socket.AF_INET6 if preferred == "ip6" else socket.AF_INET
        of_kind = [each for each in found if each[0] == wanted]
        if not of_kind and not fallback:
            raise ProbeFailed(f"{host} has no address of the kind {preferred}")
        chosen = (of_kind or found)[0]
        version = 6 if chosen[0] == socket.AF_INET6 else 4
        self.measure("probe_ip_protocol", "Version of the IP protocol.", version)
        self.log(f"{host} is {chosen[4][0]}")
        return str(chosen[4][0])


def duration(value: float) -> Family:
    """How long a probe took."""
    return gauge("probe_duration_seconds", "How long the probe took.", value)


def tls_context(config: TLSConfig) -> ssl.SSLContext:
    """A context by its configuration. Raises ProbeFailed."""
    try:
        context = ssl.create_default_context(cafile=config.ca_file or None)
        if config.insecure_skip_verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if config.cert_file:
            context.load_cert_chain(config.cert_file, config.key_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ProbeFailed(f"tls_config: {error}") from None
    return context


def measure_tls(probe: Probe, connection: ssl.SSLSocket | ssl.SSLObject) -> None:
    """When the certificate expires, and the protocol's version."""
    import hashlib

    version = connection.version() or ""
    info = {"version": version.replace("TLSv", "TLS ")}
    probe.measure("probe_tls_version_info", "The TLS version that was used.", 1, info)
    raw = connection.getpeercert(binary_form=True)
    if raw is None:
        return
    expiry = _expiry(connection, raw)
    if expiry is not None:
        what = "Unix time at which the certificate of the server expires."
        probe.measure("probe_ssl_earliest_cert_expiry", what, expiry)
    digest = {"fingerprint_sha256": hashlib.sha256(raw).hexdigest()}
    what = "The certificate of the server."
    probe.measure("probe_ssl_last_chain_info", what, 1, digest)


def _expiry(connection: ssl.SSLSocket | ssl.SSLObject, raw: bytes) -> float | None:
    found: dict[str, Any] = connection.getpeercert() or {}
    text = found.get("notAfter")
    if text:
        return float(ssl.cert_time_to_seconds(text))
    return _not_after(raw)  # without verification, Python does not say what is inside


def _not_after(der: bytes) -> float | None:
    """The end of validity in a certificate: the second time in its DER, after the first."""
    at, times = 0, list[str]()
    while len(times) < 2 and at < len(der) - 2:
        tag, size = der[at], der[at + 1]
        if tag in (0x17, 0x18) and size in (13, 15) and der[at + 1 + size : at + 2 + size] == b"Z":
            times.append(der[at + 2 : at + 2 + size].decode("ascii", "replace"))
            at += 2 + size
        else:
            at += 1
    if len(times) < 2:
        return None
    text = times[1]
    form = "%y%m%d%H%M%SZ" if len(text) == 13 else "%Y%m%d%H%M%SZ"
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def found_in(pattern: str, text: str) -> bool:
    """Whether a user's expression is found in a text."""
    return compile_regex(pattern).search(text) is not None


def split_host_port(target: str) -> tuple[str, int]:
    """Host and port of a target. Raises ProbeFailed."""
    host, colon, port = target.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ProbeFailed(f"{target!r} is not host:port")
    return host.removeprefix("[").removesuffix("]"), int(port)

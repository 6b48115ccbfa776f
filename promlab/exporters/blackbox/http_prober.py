"""An HTTP request, its redirects, and what its answer must be.

On plain sockets with the standard library's parser, so that each phase can be timed: a client
library would hide them.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import time
import zlib
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from promlab import __version__
from promlab.exporters.blackbox.modules import HeaderMatch, HTTPProbe, Module
from promlab.exporters.blackbox.probe import Probe, ProbeFailed, found_in, measure_tls, tls_context

_MAX_REDIRECTS = 10
_PHASES = ("resolve", "connect", "tls", "processing", "transfer")
_PHASE_HELP = "Duration of the request by phase, of all redirects together."
_REGEX_HELP = "Whether the probe failed because of an expression."


def run(target: str, module: Module, probe: Probe) -> None:
    """Probe; returns when all is well. Raises ProbeFailed."""
    if "://" not in target:
        target = f"http://{target}"
    _Run(module.http, probe).go(target)


def _split(text: str, base: SplitResult | None = None) -> SplitResult:
    """The parts of an address, relative to another one."""
    try:
        return urlsplit(urljoin(base.geturl(), text) if base else text)
    except ValueError as error:
        raise ProbeFailed(f"{text!r} is not an address: {error}") from None


def _origin(url: SplitResult) -> tuple[str, str, int]:
    """Whom a request goes to. Raises ProbeFailed."""
    try:
        port = url.port or (443 if url.scheme == "https" else 80)
    except ValueError:
        raise ProbeFailed(f"{url.geturl()!r} has no valid port") from None
    return url.scheme, url.hostname or "", port


class _Run:
    def __init__(self, config: HTTPProbe, probe: Probe) -> None:
        self._config, self._probe = config, probe
        self._phases = dict.fromkeys(_PHASES, 0.0)
        self._body, self._home = b"", ("", "", 0)

    def go(self, target: str) -> None:
        """Request, follow, check."""
        config, probe = self._config, self._probe
        probe.measure("probe_failed_due_to_regex", _REGEX_HELP, 0)
        redirects = 0
        url = _split(target)
        self._home = _origin(url)
        try:
            answer = self._request(url)
            follow = config.follow_redirects and not config.no_follow_redirects
            while (
                follow
                and answer.status in (301, 302, 303, 307, 308)
                and answer.getheader("Location")
            ):
                redirects += 1
                if redirects > _MAX_REDIRECTS:
                    raise ProbeFailed("there are more than 10 redirects")
                url = _split(answer.getheader("Location") or "", url)
                probe.log(f"redirected to {url.geturl()}")
                answer = self._request(url)
        finally:
            for phase, took in self._phases.items():
                probe.measure("probe_http_duration_seconds", _PHASE_HELP, took, {"phase": phase})
            probe.measure("probe_http_redirects", "Number of redirects.", redirects)
        self._measure(answer, url)
        self._check(answer, url)

    def _request(self, url: SplitResult) -> http.client.HTTPResponse:
        config, probe = self._config, self._probe
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ProbeFailed(f"{url.geturl()!r} is not an address of HTTP")
        port = _origin(url)[2]
        with self._timed("resolve"):
            address = probe.resolve(
                url.hostname, config.preferred_ip_protocol, config.ip_protocol_fallback
            )
        try:
            with self._timed("connect"):
                line = socket.create_connection((address, port), probe.left_s)
        except OSError as error:
            raise ProbeFailed(f"can't connect to {address}:{port}: {error}") from None
        with line:
            return self._exchange(line, url)

    def _exchange(self, line: socket.socket, url: SplitResult) -> http.client.HTTPResponse:
        config, probe = self._config, self._probe
        try:
            if url.scheme == "https":
                line = self._secured(line, str(url.hostname))
            line.settimeout(probe.left_s)
            with self._timed("processing"):
                line.sendall(self._head(url) + self._sent())
                answer = http.client.HTTPResponse(line, method=config.method)
                answer.begin()
            with self._timed("transfer"):
                self._body = b"" if config.method == "HEAD" else self._read(answer, line)
        except (OSError, http.client.HTTPException, zlib.error) as error:
            raise ProbeFailed(f"{url.geturl()}: {error or type(error).__name__}") from None
        finally:
            if isinstance(line, ssl.SSLSocket):
                line.close()
        probe.log(f"{answer.status} {answer.reason}, {len(self._body)} bytes")
        return answer

    def _secured(self, line: socket.socket, host: str) -> ssl.SSLSocket:
        tls = self._config.tls_config
        context = tls_context(tls)
        context.set_alpn_protocols(["http/1.1"])
        line.settimeout(self._probe.left_s)
        with self._timed("tls"):
            secure = context.wrap_socket(line, server_hostname=tls.server_name or host)
        measure_tls(self._probe, secure)
        return secure

    def _read(self, answer: http.client.HTTPResponse, line: socket.socket) -> bytes:
        limit = self._config.body_size_limit or 10 << 20
        parts, size = [], 0
        while True:
            line.settimeout(self._probe.left_s)
            part = answer.read1(65536)
            if not part:
                break
            parts.append(part)
            size += len(part)
            if size > limit:
                raise ProbeFailed(f"the body has more than {limit:,} bytes")
        body = b"".join(parts)
        what = "Length of the body before it is unpacked."
        self._probe.measure("probe_http_uncompressed_body_length", what, len(body))
        if self._config.compression in ("gzip", "deflate") and answer.getheader("Content-Encoding"):
            body = zlib.decompressobj(wbits=47).decompress(body, limit)
        return body

    def _sent(self) -> bytes:
        if not self._config.body_file:
            return self._config.body.encode()
        try:
            return Path(self._config.body_file).read_bytes()
        except OSError as error:
            raise ProbeFailed(f"body_file: {error.strerror}") from None

    def _head(self, url: SplitResult) -> bytes:
        config = self._config
        path = url.path or "/"
        headers = {
            "Host": url.netloc.rpartition("@")[2],
            "User-Agent": f"promlab-blackbox/{__version__}",
            "Accept": "*/*",
            "Connection": "close",
        }
        if config.compression:
            headers["Accept-Encoding"] = config.compression
        if body := self._sent():
            headers["Content-Length"] = str(len(body))
        headers.update(self._authorization(url))
        for name, value in config.headers.items():
            headers = {k: v for k, v in headers.items() if k.lower() != name.lower()}
            headers[name] = value
        lines = [f"{config.method} {path}{'?' + url.query if url.query else ''} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if any("\r" in line or "\n" in line for line in lines):
            raise ProbeFailed("a header holds a line break")
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace")

    def _authorization(self, url: SplitResult) -> dict[str, str]:
        config = self._config
        if _origin(url) != self._home:  # where a redirect leads, nobody has a right to them
            return {}
        if config.oauth2 is not None:
            from promlab.exporters.blackbox.oauth2 import authorization

            return {"Authorization": authorization(config.oauth2, self._probe)}
        try:
            if config.bearer_token or config.bearer_token_file:
                token = config.bearer_token or Path(config.bearer_token_file).read_text().strip()
                return {"Authorization": f"Bearer {token}"}
            if config.basic_auth is not None:
                auth = config.basic_auth
                file = auth.password_file
                password = Path(file).read_text().strip() if file else auth.password
                pair = f"{auth.username}:{password}"
            elif url.username is not None:
                pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
            else:
                return {}
        except OSError as error:
            raise ProbeFailed(f"a secret can't be read: {error.strerror}") from None
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    def _timed(self, phase: str) -> _Timed:
        return _Timed(self._phases, phase)

    def _measure(self, answer: http.client.HTTPResponse, url: SplitResult) -> None:
        measure = self._probe.measure
        measure("probe_http_status_code", "Status of the answer.", answer.status)
        length = answer.getheader("Content-Length")
        known = int(length) if length and length.isdecimal() else -1
        measure("probe_http_content_length", "Length that the answer gave.", known)
        secure = url.scheme == "https"
        measure("probe_http_ssl", "Whether the last request used TLS.", secure)
        measure("probe_http_version", "Version of HTTP in the answer.", answer.version / 10)
        modified = answer.getheader("Last-Modified")
        if modified:
            try:
                when = parsedate_to_datetime(modified).timestamp()
            except ValueError:
                return
            what = "When the answer was last modified."
            measure("probe_http_last_modified_timestamp_seconds", what, when)

    def _check(self, answer: http.client.HTTPResponse, url: SplitResult) -> None:
        config = self._config
        valid = config.valid_status_codes
        if not (answer.status in valid if valid else 200 <= answer.status < 300):
            shown = " or ".join(map(str, valid)) or "2xx"
            raise ProbeFailed(f"the status is {answer.status}, not {shown}")
        version = f"HTTP/{answer.version / 10}"
        if config.valid_http_versions and version not in config.valid_http_versions:
            raise ProbeFailed(f"{version} is none of {', '.join(config.valid_http_versions)}")
        if config.fail_if_ssl and url.scheme == "https":
            raise ProbeFailed("the answer came over TLS")
        if config.fail_if_not_ssl and url.scheme != "https":
            raise ProbeFailed("the answer did not come over TLS")
        try:
            self._check_patterns(answer)
        except ProbeFailed:
            self._probe.measure("probe_failed_due_to_regex", _REGEX_HELP, 1)
            raise

    def _check_patterns(self, answer: http.client.HTTPResponse) -> None:
        config, body = self._config, self._body.decode("utf-8", "replace")
        for pattern in config.fail_if_body_matches_regexp:
            if found_in(pattern, body):
                raise ProbeFailed(f"the body matches {pattern!r}")
        for pattern in config.fail_if_body_not_matches_regexp:
            if not found_in(pattern, body):
                raise ProbeFailed(f"the body does not match {pattern!r}")
        for rule in config.fail_if_header_matches:
            if any(found_in(rule.regexp, value) for value in _values(answer, rule)):
                raise ProbeFailed(f"the header {rule.header} matches {rule.regexp!r}")
        for rule in config.fail_if_header_not_matches:
            values = _values(answer, rule)
            if values and not any(found_in(rule.regexp, value) for value in values):
                raise ProbeFailed(f"the header {rule.header} does not match {rule.regexp!r}")


def _values(answer: http.client.HTTPResponse, rule: HeaderMatch) -> list[str]:
    values = answer.headers.get_all(rule.header) or []
    if not values and not rule.allow_missing:
        raise ProbeFailed(f"the header {rule.header} is missing")
    return values


class _Timed:
    """Adds the time of a block to its phase, when it fails too."""

    def __init__(self, phases: dict[str, float], phase: str) -> None:
        self._phases, self._phase = phases, phase

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._phases[self._phase] += time.perf_counter() - self._started

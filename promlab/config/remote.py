"""Remote write and remote read: endpoints, queues, and how to authenticate there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from promlab.config import kinds
from promlab.config.cloud_auth import AzureAD, GoogleIAM, SigV4
from promlab.config.document import At
from promlab.config.http_client import HttpClientConfig, at_most_one
from promlab.config.kinds import Kind
from promlab.config.relabel import RelabelConfig
from promlab.config.section import Section, inline, maybe, opt, record, section, sections

MESSAGES = ("prometheus.WriteRequest", "io.prometheus.write.v2.Request")
_RESERVED = {
    "authorization", "host", "content-encoding", "content-length", "content-type", "user-agent",
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "www-authenticate",
    "x-prometheus-remote-write-version", "x-prometheus-remote-read-version",
    "x-amz-date", "x-amz-security-token", "x-amz-content-sha256",
}  # fmt: skip


def _headers(at: At) -> Mapping[str, str]:
    found = {}
    for name, (key_at, value_at) in at.entries().items():
        if name.lower() == "authorization":
            key_at.fail(
                "authorization header must be changed via the basic_auth, authorization, oauth2, "
                "or sigv4 parameter"
            )
        if name.lower() in _RESERVED:
            key_at.fail(f"{name} is a reserved header. It must not be changed")
        found[name] = kinds.header_value(value_at)
    return found


headers: Kind[Mapping[str, str]] = Kind(_headers, dict, {})


@record
class QueueConfig(Section):
    """How samples wait for being sent, and how many go at once."""

    capacity: int = opt(kinds.integer, 10_000)
    max_shards: int = opt(kinds.integer, 50)
    min_shards: int = opt(kinds.integer, 1)
    max_samples_per_send: int = opt(kinds.integer, 2_000)
    batch_send_deadline_ms: int = opt(kinds.duration, 5_000, key="batch_send_deadline")
    min_backoff_ms: int = opt(kinds.duration, 30, key="min_backoff")
    max_backoff_ms: int = opt(kinds.duration, 5_000, key="max_backoff")
    retry_on_http_429: bool = opt(kinds.boolean, False)
    sample_age_limit_ms: int = opt(kinds.duration, 0, key="sample_age_limit")

    def check(self, at: At) -> None:
        """Limits that contradict each other."""
        if self.max_shards < 1:
            at.get("max_shards").fail("max_shards must be at least 1")
        if self.min_shards > self.max_shards:
            at.get("min_shards").fail("min_shards must not be greater than max_shards")
        if self.max_backoff_ms < self.min_backoff_ms:
            at.get("max_backoff").fail("max_backoff must not be less than min_backoff")


@record
class MetadataConfig(Section):
    """Whether and how often metadata is sent."""

    send: bool = opt(kinds.boolean, True, always=True)
    send_interval_ms: int = opt(kinds.duration, 60_000, key="send_interval", always=True)
    max_samples_per_send: int = opt(kinds.integer, 2_000, always=True)


@record
class RemoteWriteConfig(Section):
    """An endpoint that gets all samples."""

    required: ClassVar[tuple[str, ...]] = ("url",)
    url: str = opt(kinds.url, "", always=True)
    remote_timeout_ms: int = opt(kinds.duration, 30_000, key="remote_timeout", always=True)
    protobuf_message: str = opt(
        kinds.one_of(*MESSAGES, what="remote write protobuf message"), MESSAGES[0], always=True
    )
    headers: Mapping[str, str] = opt(headers, {})
    name: str = opt(kinds.string, "")
    send_exemplars: bool = opt(kinds.boolean, False)
    send_native_histograms: bool = opt(kinds.boolean, False)
    round_robin_dns: bool = opt(kinds.boolean, False)
    failed_request_logging: bool = opt(kinds.boolean, False)
    write_relabel_configs: tuple[RelabelConfig, ...] = opt(
        sections(RelabelConfig, "empty or null relabeling rule in remote write config"), ()
    )
    http: HttpClientConfig = inline(HttpClientConfig)
    queue_config: QueueConfig = opt(section(QueueConfig), QueueConfig())
    metadata_config: MetadataConfig = opt(section(MetadataConfig), MetadataConfig())
    sigv4: SigV4 | None = opt(maybe(SigV4), None)
    azuread: AzureAD | None = opt(maybe(AzureAD), None)
    google_iam: GoogleIAM | None = opt(maybe(GoogleIAM), None)

    def check(self, at: At) -> None:
        """An address, and at most one way to authenticate."""
        if not self.url:
            at.get("url").fail("url for remote_write is empty")
        at_most_one(
            at,
            basic_auth=self.http.basic_auth is not None,
            authorization=self.http.bearer is not None,
            oauth2=self.http.oauth2 is not None,
            sigv4=self.sigv4 is not None,
            azuread=self.azuread is not None,
            google_iam=self.google_iam is not None,
        )

    @property
    def cloud_auth(self) -> SigV4 | AzureAD | GoogleIAM | None:
        """How to authenticate beyond HTTP's own ways."""
        return self.sigv4 or self.azuread or self.google_iam


@record
class RemoteReadConfig(Section):
    """An endpoint that queries also ask."""

    required: ClassVar[tuple[str, ...]] = ("url",)
    url: str = opt(kinds.url, "", always=True)
    remote_timeout_ms: int = opt(kinds.duration, 60_000, key="remote_timeout", always=True)
    chunked_read_limit: int = opt(kinds.unsigned, 50_000_000)
    headers: Mapping[str, str] = opt(headers, {})
    read_recent: bool = opt(kinds.boolean, False)
    name: str = opt(kinds.string, "")
    http: HttpClientConfig = inline(HttpClientConfig)
    required_matchers: Mapping[str, str] = opt(kinds.labels, {})
    filter_external_labels: bool = opt(kinds.boolean, True, always=True)

    def check(self, at: At) -> None:
        """An address."""
        if not self.url:
            at.get("url").fail("url for remote_read is empty")

"""What loads, what is refused, and with which words and where."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from promlab.config import Secret, load, load_text
from promlab.config.kinds import format_size
from promlab.errors import ConfigError

SAMPLE = """
global:
  scrape_interval: 15s
alerting:
  alertmanagers:
    - static_configs:
        - targets:
rule_files:
  # - "first_rules.yml"
scrape_configs:
  - job_name: "prometheus"
    static_configs:
      - targets: ["localhost:9090"]
        labels: {app: prometheus}
"""


def refusal(text: str, **options: bool) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_text(text, **options)
    assert "\n" not in str(caught.value)
    return caught.value


def test_sample_configuration() -> None:
    config = load_text(SAMPLE)
    (job,) = config.jobs
    assert (job.job_name, job.scrape_interval_ms, job.scrape_timeout_ms) == (
        "prometheus",
        15_000,
        10_000,
    )
    assert job.discovery.static_configs[0].targets == ("localhost:9090",)
    assert job.discovery.static_configs[0].labels == {"app": "prometheus"}
    assert (job.metrics_path, job.scheme, job.honor_timestamps) == ("/metrics", "http", True)


@pytest.mark.parametrize("text", ["", "# nothing\n", "global:\n", "scrape_configs:\n", "---\n"])
def test_empty_is_valid(text: str) -> None:
    config = load_text(text)
    assert config.jobs == ()
    assert config.global_.scrape_interval_ms == 60_000
    assert config.global_.scrape_timeout_ms == 10_000


def test_only_the_first_document_counts() -> None:
    assert load_text("global: {scrape_interval: 5s}\n---\nnonsense: 1\n").global_ is not None


SENDING = "alerting: {alertmanagers: [{%s}]}"
JOB = "scrape_configs: [{job_name: a, %s}]"


@pytest.mark.parametrize(
    ("text", "line", "column", "field", "message"),
    [
        ("globl: {}", 1, 1, "globl", "unknown field 'globl': did you mean global?"),
        ("a: 1\nb: [", 3, 1, "", "not valid YAML"),
        ("global:\n  scrape_interval: 5 s", 2, 20, "global.scrape_interval", "unknown unit"),
        ("otlp:\n  a: 5s\n  a: 6s", 3, 3, "otlp.a", "already set"),
        ("global: [1]", 1, 9, "global", "expected a mapping, found a list"),
        (JOB % "honor_labels: 3", 1, 46, "scrape_configs[0].honor_labels", "expected true"),
        (JOB % "honor_labels: 'true'", 1, 46, "scrape_configs[0].honor_labels", "found text"),
        (JOB % "sample_limit: -1", 1, 46, "scrape_configs[0].sample_limit", "not negative"),
        (JOB % "sample_limit: 1.5", 1, 46, "scrape_configs[0].sample_limit", "whole number"),
        (JOB % "body_size_limit: 7", 1, 49, "scrape_configs[0].body_size_limit", "512MB"),
        (JOB % "scrape_protocols: []", 1, 50, "scrape_configs[0].scrape_protocols", "be empty"),
        (JOB % "proxy_url: 'http://a:x/'", 1, 43, "scrape_configs[0].proxy_url", "not a URL"),
        ("scrape_configs: [{}]", 1, 18, "scrape_configs[0]", "job_name is empty"),
        ("scrape_configs: 5", 1, 17, "scrape_configs", "expected a list, found int"),
        ("global: {scrape_timeout: 2m}", 1, 26, "global.scrape_timeout", "greater than"),
        ("global: {external_labels: {'': x}}", 1, 28, "global.external_labels.", "not a valid"),
        ("{1: 2, [3]: 4}", 1, 8, "", "a key must be text"),
        ("a: &x [*x]", 1, 1, "a", "unknown field"),
    ],
)  # fmt: skip
def test_refused_with_its_place(
    text: str, line: int, column: int, field: str, message: str
) -> None:
    error = refusal(text)
    assert (error.line, error.column, error.field) == (line, column, field), str(error)
    assert message in error.message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("basic_auth: {username: a}, authorization: {credentials: b}", "at most one of"),
        ("basic_auth: {password: a, password_file: b}", "at most one of password"),
        ("authorization: {type: Basic}", "use basic_auth"),
        ("bearer_token: a, bearer_token_file: b", "at most one of bearer_token"),
        ("tls_config: {cert_file: a}", "exactly one of key or key_file"),
        ("tls_config: {min_version: TLS13, max_version: TLS12}", "less than min_version"),
        ("tls_config: {min_version: SSL3}", "unknown TLS version"),
        ("http_headers: {Authorization: {values: [x]}}", "is not allowed"),
        ("http_headers: {'a b': {values: [x]}}", "is not a header name"),
        ('http_headers: {X: {values: ["a\\nb"]}}', "line break"),
        ("no_proxy: localhost", "only beside proxy_url"),
        ("proxy_from_environment: true, proxy_url: 'http://p'", "must not be configured"),
        ("scrape_protocols: [PrometheusText0.0.4, PrometheusText0.0.4]", "duplicated protocol"),
        ("metric_name_escaping_scheme: allow-utf-8, metric_name_validation_scheme: legacy", "utf8"),
        ("static_configs: [{targets: ['http://a/b']}]", "not a valid hostname"),
        ("file_sd_configs: [{files: ['a.txt']}]", "must end in .json"),
        ("file_sd_configs: [{files: ['*/a.json']}]", "at most one *"),
        ("file_sd_configs: [{}]", "at least one path name"),
        ("relabel_configs: [{action: hashmod, target_label: a}]", "non-zero modulus"),
        ("relabel_configs: [{action: jump, target_label: a}]", "unknown relabel action"),
        ("relabel_configs: [{action: labelmap, replacement: ''}]", "not a valid label name"),
    ],
)  # fmt: skip
def test_refused_options_of_a_job(options: str, message: str) -> None:
    assert message in refusal(JOB % options).message


JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
OAUTH2 = "oauth2: {client_id: a, token_url: 'http://x/', %s}"
WRITING = "remote_write: [{url: 'http://x/', %s}]"
UUID = "00000000-a12b-3cd4-e56f-000000000000"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (JOB % OAUTH2 % f"grant_type: '{JWT}', signature_algorithm: HS256",
         "valid signature algorithms are RS256, RS384 and RS512"),
        (JOB % OAUTH2 % f"grant_type: '{JWT}', client_certificate_key: k, "
         "client_certificate_key_file: f", "at most one of client_certificate_key"),
        (SENDING % "sigv4: {region: a, external_id: b}", "can only be used with role_arn"),
        (SENDING % "sigv4: {region: a}, authorization: {credentials: b}", "at most one of"),
        (WRITING % "azuread: {}", "azuread needs one of managed_identity, oauth, sdk"),
        (WRITING % "azuread: {sdk: {}, managed_identity: {}}", "not managed_identity and sdk"),
        (WRITING % "azuread: {managed_identity: {client_id: me}}", "is a UUID"),
        (WRITING % "azuread: {sdk: {tenant_id: a b}}", "letters, digits, points and hyphens"),
        (WRITING % f"azuread: {{oauth: {{client_id: {UUID}}}}}", "client_secret must"),
        (WRITING % f"azuread: {{workload_identity: {{client_id: {UUID}}}}}", "tenant_id must"),
        (WRITING % "azuread: {sdk: {}, cloud: AzureMoon}", "unknown Azure cloud 'AzureMoon'"),
        (WRITING % "azuread: {sdk: {}, cloud: {name: AzureChina}}", "the name AzureCustom"),
        (WRITING % "azuread: {sdk: {}, cloud: {name: AzureCustom, token_audience: a}}",
         "aad_endpoint must"),
        (WRITING % "google_iam: {a: b}", "unknown field 'a'"),
        (WRITING % "google_iam: {}, azuread: {sdk: {}}", "at most one of"),
        ("remote_read: [{url: 'http://x/', google_iam: {}}]", "unknown field 'google_iam'"),
    ],
)  # fmt: skip
def test_refused_credentials(text: str, message: str) -> None:
    assert message in refusal(text).message


@pytest.mark.parametrize(
    "text",
    [
        JOB % OAUTH2 % f"grant_type: '{JWT}', client_secret: a, client_secret_file: b",
        JOB % OAUTH2 % "grant_type: any, signature_algorithm: any, client_certificate_key: a, "
        "client_certificate_key_file: b",
        WRITING % f"azuread: {{cloud: AzureChina, managed_identity: {{client_id: {UUID}}}}}",
        WRITING % "azuread: {managed_identity: {}, scope: s}",
        WRITING % "google_iam: {}",
    ],
)
def test_credentials_that_are_taken(text: str) -> None:
    assert load_text(text)


def test_claims_keep_their_types() -> None:
    text = JOB % OAUTH2 % f"grant_type: '{JWT}', claims: {{a: 1, b: [x, 0.5], c: {{d: yes}}, e: }}"
    config = load_text(text)
    oauth2 = config.jobs[0].http.oauth2
    assert oauth2 is not None
    assert oauth2.claims == {"a": 1, "b": ["x", 0.5], "c": {"d": True}, "e": None}
    assert load_text(config.to_yaml()).jobs == config.jobs


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (JOB % "oci_sd_configs: [{region: r, auth: instance_principal}]",
         "scrape_configs[0].oci_sd_configs[0].auth"),
        ("tracing: {endpoint: 'x:1', tls_config: {insecure_skip_verify: true}}",
         "tracing.tls_config.insecure_skip_verify"),
    ],
)  # fmt: skip
def test_what_is_not_there_yet_is_refused_by_name(text: str, field: str) -> None:
    error = refusal(text)
    assert error.field == field
    assert "not supported yet" in error.message
    assert load_text(text, supported_only=False)


def test_rule_files_are_found_from_the_folder_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_text("rule_files: ['rules/*.yml', 'other.yml']\n")
    assert load(path).rule_files == (f"{tmp_path}/rules/*.yml", f"{tmp_path}/other.yml")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none.yml")
    assert str(caught.value) == f"{tmp_path}/none.yml: no such file"
    with pytest.raises(ConfigError, match="cannot be read: is a directory"):
        load(tmp_path)


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_bytes(b"global:\n  x: \xff\n")
    with pytest.raises(ConfigError, match=r"a\.yml:2: not valid UTF-8"):
        load(path)


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 3000,
        "a: " + "[" * 3000 + "]" * 3000,
        "external: !!python/object/apply:os.system ['true']",
        "global: {external_labels: {a: !!python/name:os.system x}}",
        "\x00",
        "a: \x85\tb: : :",
        "? ? ?",
    ],
    ids=range(7),
)
def test_hostile_yaml_gives_a_plain_error_or_text(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(text)
    assert len(str(caught.value)) < 2000
    assert "\n" not in str(caught.value)


def test_aliases_do_not_multiply() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    bomb = "\n".join(lines)
    assert "unknown field" in refusal(bomb).message
    nested = "scrape_configs: [{job_name: a, scrape_protocols: " + "&p [PrometheusText0.0.4]}, "
    assert load_text(nested + "{job_name: b, scrape_protocols: *p}]").jobs[1].scrape_protocols


def test_merge_keys() -> None:
    text = """
    scrape_configs:
      - &base {job_name: a, scheme: https, metrics_path: /x}
      - {<<: *base, job_name: b, metrics_path: /y}
    """
    second = load_text(text).jobs[1]
    assert (second.job_name, second.scheme, second.metrics_path) == ("b", "https", "/y")


def test_settling_from_global() -> None:
    config = load_text(
        """
        global:
          {scrape_interval: 20s, scrape_timeout: 15s, sample_limit: 7, body_size_limit: 1MB,
           extra_scrape_metrics: true, metric_name_validation_scheme: legacy}
        scrape_configs:
          - {job_name: a}
          - {job_name: b, scrape_interval: 5s, sample_limit: 9, extra_scrape_metrics: false}
          - {job_name: c, metric_name_validation_scheme: utf8}
        """
    )
    a, b, c = config.jobs
    assert (a.scrape_timeout_ms, a.limits.sample_limit, a.limits.body_size_limit) == (
        15_000,
        7,
        1 << 20,
    )
    assert (b.scrape_interval_ms, b.scrape_timeout_ms, b.limits.sample_limit) == (5_000, 5_000, 9)
    assert (a.limits.extra_scrape_metrics, b.limits.extra_scrape_metrics) == (True, False)
    assert a.limits.metric_name_escaping_scheme == "underscores"
    assert c.limits.metric_name_escaping_scheme == "allow-utf-8"
    assert a.scrape_protocols[0] == "OpenMetricsText1.0.0"


def test_external_labels_take_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB", "one")
    text = "global: {external_labels: {a: '${LAB}-$LAB-$NOTHING_THERE-$$x-${', b: $LAB}}"
    assert load_text(text).global_.external_labels == {"a": "one-one--$x-${", "b": "one"}


def test_imported_files(tmp_path: Path) -> None:
    main = tmp_path / "main.yml"
    main.write_text(
        "global: {scrape_interval: 7s}\nscrape_config_files: ['jobs/*.yml']\n"
        "scrape_configs: [{job_name: a}]\n"
    )
    (tmp_path / "jobs").mkdir()
    more = tmp_path / "jobs" / "b.yml"
    more.write_text("scrape_configs: [{job_name: b, tls_config: {ca_file: ca.pem}}]\n")
    config = load(main)
    assert [(job.job_name, job.scrape_interval_ms) for job in config.jobs] == [
        ("a", 7000),
        ("b", 7000),
    ]
    assert config.jobs[1].http.tls_config.ca_file == str(tmp_path / "jobs" / "ca.pem")
    assert "job_name: b" not in config.to_yaml()
    more.write_text("scrape_configs: [{job_name: a}]\n")
    with pytest.raises(ConfigError, match=r'b\.yml:1:29: .*job name "a"'):
        load(main)
    more.write_text("global: {}\n")
    with pytest.raises(ConfigError, match=r"b\.yml:1:1: global: unknown field"):
        load(main)


def test_secrets_never_print() -> None:
    text = """
    scrape_configs:
      - job_name: a
        basic_auth: {username: u, password: hunter2}
        http_headers: {X-Key: {secrets: [hunter2], values: [shown]}}
        tls_config: {cert: c, key: hunter2}
        proxy_url: http://me:hunter2@proxy:1/
      - {job_name: b, authorization: {credentials: hunter2}}
      - {job_name: c, bearer_token: hunter2}
    remote_write:
      - url: http://me:hunter2@h/
        azuread:
          oauth:
            client_id: 00000000-a12b-3cd4-e56f-000000000000
            client_secret: hunter2
            tenant_id: t
    """
    config = load_text(text, supported_only=False)
    shown = config.to_yaml()
    assert "hunter2" not in shown
    assert "hunter2" not in repr(config)
    assert "shown" in shown
    assert shown.count("<secret>") == 6
    assert config.jobs[0].http.basic_auth is not None
    assert config.jobs[0].http.basic_auth.password.reveal() == "hunter2"


def test_secret_type() -> None:
    secret = Secret("x")
    assert f"{secret} {secret!r} {secret:>3}" == "<secret> <secret> <secret>"
    assert secret == Secret("x")
    assert secret != Secret("y")
    assert secret != "x"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_printed_configuration_loads_again() -> None:
    config = load_text(SAMPLE)
    again = load_text(config.to_yaml())
    assert again.to_yaml() == config.to_yaml()
    assert again.jobs == config.jobs


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0"), (1, "1B"), (15 << 20, "15MiB"), (1536, "1536B"), (1 << 30, "1GiB")]
)
def test_sizes(size: int, text: str) -> None:
    assert format_size(size) == text
    assert load_text(JOB % f"body_size_limit: {text}").jobs[0].limits.body_size_limit == size

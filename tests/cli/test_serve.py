from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from promlab.errors import AddressInUse, ServerError
from promlab.server.flag_table import ACTIVE, HARMLESS, REFUSED
from promlab.server.flags import EXIT_OTHER_MODE, OtherMode, add_flags, settings_of
from promlab.server.settings import Settings, decode, encode, external_url, route_prefix
from promlab.web.sockets import address_of, listen, split_address


def parse(*arguments: str) -> Settings:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_flags(parser)
    return settings_of(vars(parser.parse_args(arguments)))


def test_an_agent_keeps_what_it_could_not_send_for_hours() -> None:
    flag = "--storage.agent.retention"
    hour = 3_600_000
    assert parse("--agent").retention_ms == 4 * hour
    assert parse("--agent", f"{flag}.max-time=2h").retention_ms == 2 * hour
    assert parse("--agent", f"{flag}.max-time=2h", f"{flag}.min-time=3h").retention_ms == 3 * hour
    assert parse().retention_ms == 15 * 24 * hour


def test_defaults_are_those_of_prometheus() -> None:
    settings = parse()
    assert settings.listen_addresses == ["0.0.0.0:9090"]
    assert settings.config_file == "prometheus.yml"
    assert settings.lookback_ms == 300_000
    assert settings.query_timeout_s == 120
    assert settings.max_samples == 50_000_000
    assert settings.retention_ms == 15 * 86_400_000
    assert not settings.enable_lifecycle
    assert not settings.enable_remote_write
    assert settings.flags["query.timeout"] == "2m"
    assert settings.flags["web.enable-lifecycle"] == "false"


def test_flags_are_taken() -> None:
    settings = parse(
        "--web.listen-address=127.0.0.1:1",
        "--web.listen-address=[::1]:2",
        "--web.enable-lifecycle",
        "--web.external-url=https://example.org/lab/",
        "--query.timeout=10s",
        "--enable-feature=promql-experimental-functions,auto-reload-config",
        "--config.auto-reload-interval=5s",
        "--log.level=warn",
    )
    assert settings.listen_addresses == ["127.0.0.1:1", "[::1]:2"]
    assert settings.enable_lifecycle
    assert settings.external_url == "https://example.org/lab"
    assert settings.route_prefix == "/lab"
    assert settings.query_timeout_s == 10
    assert settings.features == ["promql-experimental-functions", "auto-reload-config"]
    assert settings.config_reload_interval_s == 5
    assert settings.flags["web.listen-address"] == "127.0.0.1:1,[::1]:2"
    assert decode(encode(settings)) == settings


def test_flags_without_effect_are_taken() -> None:
    for flag in HARMLESS:
        argument = f"--{flag.name}" if isinstance(flag.default, bool) else f"--{flag.name}=1"
        parse(argument, *(["--agent"] if "agent" in flag.name else []))
    parse("--no-auto-gomaxprocs")


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_flags_that_promise_what_is_not_there_are_refused(name: str) -> None:
    argument = f"--{name}" if name in _switches() else f"--{name}=1"
    with pytest.raises(ServerError, match=f"--{re.escape(name)} is not available: "):
        parse(argument)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--agent", "--query.timeout=2m"], 'not be used in agent mode: ["--query.timeout"]'),
        (
            ["--agent", "--query.timeout=2m", "--storage.tsdb.path=d"],
            'not be used in agent mode: ["--query.timeout" "--storage.tsdb.path"]',
        ),
        (["--storage.agent.path=d"], 'only be used in agent mode: ["--storage.agent.path"]'),
    ],
)
def test_flags_of_the_other_mode_are_refused(arguments: list[str], words: str) -> None:
    with pytest.raises(OtherMode) as found:
        parse(*arguments)
    assert str(found.value) == f"The following flag(s) can {words}"


# Flags of one mode, and whether it is that of servers.
MODES = {
    "--query.timeout=2m": True,
    "--storage.tsdb.path=d": True,
    "--rules.max-concurrent-evals=2": True,
    "--alertmanager.notification-queue-capacity=3": True,
    "--storage.remote.read-sample-limit=3": True,
    "--storage.agent.path=d": False,
    "--storage.agent.no-lockfile": False,
    "--storage.agent.retention.min-time=1m": False,
    "--storage.agent.wal-segment-size=20MB": False,
    "--storage.agent.wal-truncate-frequency=1h": False,
}


@pytest.mark.peers
@pytest.mark.parametrize("flag", sorted(MODES))
def test_the_real_one_says_the_same_of_flags_of_the_other_mode(peers: Path, flag: str) -> None:
    arguments = [flag, *(["--agent"] if MODES[flag] else [])]
    command = [peers / "prometheus", "--web.listen-address=127.0.0.1:0", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == EXIT_OTHER_MODE
    with pytest.raises(OtherMode) as found:
        parse(*arguments)
    assert done.stderr.strip() == str(found.value)


def test_the_storage_of_an_agent() -> None:
    flag = "--storage.agent"
    settings = parse(
        "--agent", f"{flag}.wal-segment-size=20MB", f"{flag}.wal-truncate-frequency=1h",
        f"{flag}.retention.min-time=10m",
    )  # fmt: skip
    assert settings.wal_segment_bytes == 20 << 20
    assert (settings.truncate_ms, settings.keep_sent_ms) == (3_600_000, 600_000)
    assert settings.min_block_ms == 0
    with pytest.raises(ServerError, match="must be set between 10MB and 256MB"):
        parse("--agent", f"{flag}.wal-segment-size=1MB")


def test_limits_of_remote_reads() -> None:
    flag = "--storage.remote.read"
    settings = parse(f"{flag}-sample-limit=1e3", f"{flag}-concurrent-limit=0")
    assert (settings.read_max_samples, settings.read_concurrency) == (1000, 0)
    assert parse().read_max_samples == 50_000_000
    with pytest.raises(ServerError, match=f"{re.escape(flag)}-sample-limit: 'x' is not a whole"):
        parse(f"{flag}-sample-limit=x")


def test_differences_are_added_up_or_kept_but_not_both() -> None:
    with pytest.raises(ServerError, match="exclude each other"):
        parse("--enable-feature=otlp-deltatocumulative,otlp-native-delta-ingestion")


def test_the_lab_api_is_on_only_where_nobody_else_can_reach_it() -> None:
    assert not parse().enable_lab
    assert parse("--web.listen-address=127.0.0.1:0", "--web.listen-address=[::1]:0").enable_lab
    assert not parse("--web.listen-address=127.0.0.1:0", "--web.listen-address=:1").enable_lab
    assert parse("--web.enable-lab-api=true").enable_lab
    assert not parse("--web.enable-lab-api=false", "--web.listen-address=localhost:1").enable_lab


def test_sizes_are_taken() -> None:
    assert parse("--query.max-memory=512MB").max_query_bytes == 512 << 20


def _switches() -> set[str]:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_flags(parser)
    return {action.dest for action in parser._actions if action.nargs == 0}


@pytest.mark.peers
def test_every_flag_of_the_real_one_is_known(peers: Path) -> None:
    done = subprocess.run([peers / "prometheus", "--help-long"], capture_output=True, text=True)
    theirs = set(re.findall(r"^ +--(?:\[no-\])?([a-z.-]+[a-z])", done.stdout + done.stderr, re.M))
    ours = {flag.name for flag in (*ACTIVE, *HARMLESS)} | set(REFUSED)
    assert len(theirs) > 40
    assert theirs - ours - {"help", "help-long", "help-man"} <= {"version"}


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--query.timeout=x", '--query.timeout: not a valid duration string: "x"'),
        ("--query.max-samples=0", "'0' is not a whole number above 0"),
        ("--storage.tsdb.wal-fsync=never", "'never' is none of interval, always"),
        ("--log.level=loud", "'loud' is none of debug, info, warn, error"),
        ("--web.cors.origin=(", "--web.cors.origin: error parsing regexp"),
        ("--web.external-url=ftp://a", "is not an http or https URL"),
    ],
)
def test_bad_values_name_the_flag(argument: str, words: str) -> None:
    with pytest.raises(ServerError, match=re.escape(words)):
        parse(argument)


@pytest.mark.parametrize(
    ("given", "url", "prefix"),
    [
        (None, "http://a:1", ""),
        (None, "http://a:1/x/y", "/x/y"),
        ("/", "http://a:1/x", ""),
        ("lab/", "http://a:1/x", "/lab"),
    ],
)
def test_route_prefix(given: str | None, url: str, prefix: str) -> None:
    assert route_prefix(given, url) == prefix


def test_external_url_is_made_from_the_port() -> None:
    assert external_url("", "0.0.0.0:9090").endswith(":9090")
    assert external_url("a.example:1/x/", "") == "http://a.example:1/x"


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:9", ("127.0.0.1", 9)), (":9", ("", 9)), ("[::1]:9", ("::1", 9))],
)
def test_addresses(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize("address", ["9090", "a:", "a:x", "a:99999", "a:-1", "a:٣"])
def test_bad_addresses(address: str) -> None:
    with pytest.raises(ServerError, match="is not host:port"):
        split_address(address)


def test_an_address_is_taken_once() -> None:
    with listen("127.0.0.1:0") as taken:
        address = address_of(taken)
        with pytest.raises(AddressInUse, match=address):
            listen(address)
    with pytest.raises(ServerError, match=r"can't listen on 192\.0\.2\.1:1"):
        listen("192.0.2.1:1")


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules)"
    done: Any = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    return set(done.stdout.split())


def test_the_supervisor_stays_light() -> None:
    loaded = loaded_by(
        "import promlab.cli.serve, promlab.server.supervisor, promlab.web.log, promlab.config, "
        "promlab.server.checked_config"
    )
    assert not loaded & {"numba", "polars", "lark", "uvicorn", "aiohttp", "prometheus_client"}


def test_the_writer_never_loads_polars() -> None:
    loaded = loaded_by("import promlab.server.writer, promlab.tsdb.head, promlab.scrape.manager")
    assert "promlab.tsdb.head" in loaded
    too_much = {"numba", "polars", "uvicorn", "lark", "pyarrow", "pandas", "prometheus_client"}
    assert not loaded & too_much


def test_the_reader_loads_polars_only_when_asked() -> None:
    loaded = loaded_by(
        "import promlab.server.reader, promlab.promql.engine, promlab.tsdb.open,"
        " promlab.server.json_kernels"
    )
    assert not loaded & {"numba", "polars", "aiohttp", "pyarrow", "pandas"}

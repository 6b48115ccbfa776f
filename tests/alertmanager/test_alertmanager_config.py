"""alertmanager.yml: what is good, what is not, and that the real amtool says the same."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from promlab.alertmanager.config import load, load_text
from promlab.alertmanager.config.kinds import format_go_duration, parse_go_duration
from promlab.cli import main
from promlab.errors import ConfigError
from tests.alertmanager.config_cases import cases

CASES = list(cases())


def is_good(text: str) -> str:
    """Empty, or the error."""
    try:
        load_text(text)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("good", "text"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_verdict(good: bool, text: str) -> None:
    error = is_good(text)
    assert (not error) == good, error
    assert "\n" not in error


def amtool_verdicts(peers: Path, files: list[Path]) -> dict[str, bool]:
    done = subprocess.run(
        [peers / "amtool", "check-config", *files], capture_output=True, text=True
    )
    found = re.findall(r"Checking '([^']*)'\s+(SUCCESS|FAILED)", done.stdout)
    return {Path(name).name: verdict == "SUCCESS" for name, verdict in found}


@pytest.mark.peers
def test_amtool_gives_the_same_verdicts(peers: Path, tmp_path: Path) -> None:
    files = []
    for i, (_, _, text) in enumerate(CASES):
        files.append(tmp_path / f"{i}.yml")
        files[-1].write_text(text)
    verdicts = amtool_verdicts(peers, files)
    assert len(verdicts) == len(CASES)
    wrong = [name for i, (name, good, _) in enumerate(CASES) if verdicts[f"{i}.yml"] != good]
    assert not wrong


@pytest.mark.peers
@pytest.mark.shared
def test_contract_files_and_amtool(
    peers: Path, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted((shared / "contract" / "alertmanager" / "config").glob("*.yml"))
    assert len(files) > 20
    theirs = amtool_verdicts(peers, files)
    ours = {path.name: main(["alertmanager", "check", str(path)]) == 0 for path in files}
    assert ours == theirs
    assert 5 < sum(ours.values()) < len(ours)
    capsys.readouterr()


@pytest.mark.shared
def test_errors_say_where(shared: Path) -> None:
    path = (
        shared
        / "contract"
        / "alertmanager"
        / "config"
        / "conf.opsgenie-default-apikey-old-team.yml"
    )
    with pytest.raises(ConfigError, match=r"\.yml:16:9: .*teams.*unknown field 'teams'"):
        load(path)


def test_secrets_are_never_printed() -> None:
    secret = "hunter2"
    config = load_text(
        f"""
global: {{slack_api_url: "http://{secret}/", smtp_smarthost: "a:1", smtp_from: b,
  smtp_auth_password: {secret}, opsgenie_api_key: {secret}}}
route: {{receiver: a}}
receivers:
- name: a
  webhook_configs:
  - {{url: "http://x/{secret}", http_config: {{basic_auth: {{username: u, password: {secret}}}}}}}
  slack_configs: [{{}}]
  email_configs: [{{to: x, auth_secret: {secret}}}]
  opsgenie_configs: [{{}}]
  pagerduty_configs: [{{routing_key: {secret}}}]
  pushover_configs: [{{user_key: {secret}, token: {secret}}}]
  telegram_configs: [{{chat_id: 1, bot_token: {secret}}}]
  discord_configs: [{{webhook_url: "http://{secret}"}}]
"""
    )
    shown = config.to_yaml()
    assert secret not in shown
    assert secret not in repr(config)
    assert shown.count("<secret>") > 10
    # What is shown can be loaded again.
    assert load_text(shown).to_yaml() == shown


def test_relative_paths_count_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "am.yml"
    file.write_text(
        "templates: ['t/*.tmpl']\nroute: {receiver: a}\n"
        "receivers: [{name: a, webhook_configs: [{url_file: secret-url}]}]\n"
    )
    config = load(file)
    assert config.templates == (f"{tmp_path}/t/*.tmpl",)
    assert config.receivers[0].webhook_configs[0].url_file == f"{tmp_path}/secret-url"


def test_broken_templates_fail_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, broken = tmp_path / "am.yml", tmp_path / "x.tmpl"
    file.write_text("templates: [x.tmpl]\nroute: {receiver: a}\nreceivers: [{name: a}]\n")
    broken.write_text('{{ define "a" }}{{ end }}')
    assert main(["alertmanager", "check", str(file)]) == 0
    broken.write_text('{{ define "a" }}{{ nope }}{{ end }}')
    assert main(["alertmanager", "check", str(file)]) == 1
    out, err = capsys.readouterr()
    assert 'function "nope" not defined' in out + err


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1m30s", 90), ("500ms", 0.5), ("0", 0), ("1h0m5s", 3605), ("-1.5s", -1.5), ("2h", 7200)],
)
def test_go_durations(text: str, seconds: float) -> None:
    assert parse_go_duration(text) == seconds
    assert parse_go_duration(format_go_duration(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "5", "1x", "s", "1m 2s", "--1s", "1d"])
def test_bad_go_durations(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        parse_go_duration(text)

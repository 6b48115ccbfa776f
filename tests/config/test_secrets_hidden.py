"""No secret of a configuration is ever printed: not by it, and not by what is wrong with it."""

from __future__ import annotations

import random

import pytest

import promlab.alertmanager
import promlab.config
from promlab.alertmanager.config.load import load_text as load_alertmanager
from promlab.config import load_text
from promlab.errors import ConfigError
from tests.config import marked


def test_every_secret_field_is_marked() -> None:
    config = load_text(marked.server(), supported_only=False)
    found = {key for key, text in marked.secrets_in(config) if marked.MARK in text}
    assert found >= marked.fields_of(promlab.config)
    receivers = load_alertmanager(marked.alertmanager())
    found |= {key for key, text in marked.secrets_in(receivers) if marked.MARK in text}
    # Which has no place beside slack_app_token; it is of the kind of mattermost_webhook_url.
    assert found >= marked.fields_of(promlab.alertmanager) - {"slack_api_url"}


def test_a_configuration_prints_none() -> None:
    config = load_text(marked.server(), supported_only=False)
    receivers = load_alertmanager(marked.alertmanager())
    for text in (config.to_yaml(), repr(config), receivers.to_yaml(), repr(receivers)):
        assert marked.MARK not in text
        assert "shown" in text


GARBAGE = ("", "{", "[x", ": :", "null", "{a: b}", "[1, 2]", "!!binary x", "&a *a", "'", "1e999")


@pytest.mark.parametrize("seed", range(20))
def test_errors_show_none(seed: int) -> None:
    """A piece is put in, taken out or doubled anywhere but in the middle of a word."""
    chance = random.Random(seed)
    errors: list[str] = []
    for make, load in ((marked.server, load_text), (marked.alertmanager, load_alertmanager)):
        text = make()
        for _ in range(15):
            at = chance.choice([i for i, char in enumerate(text) if char in " {}[],:"])
            end = min(len(text), at + chance.choice((0, 1, 1, 2)))
            broken = f"{text[:at]} {chance.choice(GARBAGE)} {text[end:]}"
            try:
                load(broken)
            except ConfigError as error:
                errors.append(str(error))
    assert errors
    assert marked.MARK not in "\n".join(errors)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("basic_auth: {username: u, password:m4rk}", "unknown field 'password…': after its colon"),
        ("bearer_token:'m4rk'", "unknown field 'bearer_token…': after its colon"),
        ("bearer_tokem:m4rk", "unknown field 'bearer_tokem…': did you mean bearer_token?"),
        ("http_headers: {X-Key:m4rk: {}}", "'X-Key…' is not a header name"),
    ],
)
def test_a_forgotten_blank_shows_none(options: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(f"scrape_configs: [{{job_name: a, {options}}}]")
    assert message in str(caught.value)
    assert marked.MARK not in str(caught.value)

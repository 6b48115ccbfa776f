"""The conformance files: good ones load, bad ones are refused with the field's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from promlab.config import load
from promlab.errors import ConfigError

# Valid files that ask for what promlab does not do yet: refused, and by that name.
NOT_YET = {
    "conf.good.yml": "tracing",
}
# Bad because of what a file says that they import, and that file is not there.
LOADS = {"scrape_config_files_double_import.bad.yml", "scrape_config_files_duplicate.bad.yml"}
# Bad by other names.
BAD = {"otlp_no_translation.incompatible.yml", "config_with_deprecated_am_api_config.yml"}


def files(shared: Path) -> list[Path]:
    found = sorted((shared / "contract" / "config").glob("*.yml"))
    assert len(found) > 100
    return found


def refusal(path: Path) -> ConfigError | None:
    try:
        load(path)
    except ConfigError as error:
        return error
    return None


def test_good_files_load(shared: Path) -> None:
    good = [path for path in files(shared) if ".bad." not in path.name and path.name not in BAD]
    for path in good:
        load(path, supported_only=False)
        if path.name in NOT_YET:
            with pytest.raises(ConfigError, match="not supported yet") as caught:
                load(path)
            assert any(name in caught.value.field for name in NOT_YET[path.name].split("|")), path
        else:
            load(path)
    assert NOT_YET.keys() <= {path.name for path in good}


def test_bad_files_are_refused(shared: Path) -> None:
    bad = [path for path in files(shared) if ".bad." in path.name or path.name in BAD]
    accepted = {path.name for path in bad if refusal(path) is None}
    assert accepted == LOADS
    for path in bad:
        error = refusal(path)
        assert error is None or (error.line and error.field), path

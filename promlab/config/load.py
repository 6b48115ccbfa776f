"""Reading a prometheus.yml, with the files it imports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from promlab.config.config import Config, ScrapeConfigFile, matching_files
from promlab.config.document import At, parse, read_text
from promlab.config.scrape import ScrapeConfig
from promlab.config.support import missing, of_job


def load(
    path: str | Path, *, supported_only: bool = True, environment: Mapping[str, str] | None = None
) -> Config:
    """The configuration in a file; with an environment, `${VAR}` in it is expanded.

    Raises ConfigError, whose text is one line with file, line, column and field, if the file
    can't be read, is not valid, or (with `supported_only`) asks for what promlab can't do yet.
    """
    text = read_text(path)
    return load_text(text, path, supported_only=supported_only, environment=environment)


def load_text(
    text: str,
    path: str | Path = "",
    *,
    supported_only: bool = True,
    environment: Mapping[str, str] | None = None,
    more_jobs: Sequence[str] = (),
    more_rules: Sequence[str] = (),
) -> Config:
    """The configuration in a text; relative paths in it count from the folder of `path`.

    `more_jobs` and `more_rules` are patterns of files that are read as if they were named in it.
    """
    at = parse(text, str(path), environment)
    read = Config.read(at)
    config = read.settled(at)
    if supported_only:
        for each in missing(read, at):
            each.at.fail(each.message)
    jobs: dict[str, At] = {}
    _unique(jobs, _named(config.scrape_configs, at))
    imported: list[ScrapeConfig] = []
    for pattern in (*config.scrape_config_files, *more_jobs):
        for file in matching_files(pattern):
            found, file_at = _imported(file, config, supported_only, environment)
            _unique(jobs, _named(found, file_at))
            imported += found
    rule_files = (*config.rule_files, *more_rules)
    return replace(config, imported=tuple(imported), rule_files=rule_files)


def _imported(
    file: str, config: Config, supported_only: bool, environment: Mapping[str, str] | None
) -> tuple[tuple[ScrapeConfig, ...], At]:
    at = parse(read_text(file), file, environment)
    read = ScrapeConfigFile.read(at).scrape_configs
    settled = []
    for job, (_, place) in zip(read, _named(read, at), strict=True):
        if supported_only:
            for each in of_job(job, place):
                each.at.fail(each.message)
        settled.append(job.settled(config.global_, place))
    return tuple(settled), at


def _named(jobs: tuple[ScrapeConfig, ...], at: At) -> Iterable[tuple[str, At]]:
    places = at.get("scrape_configs").items() if jobs else []
    return [(job.job_name, place) for job, place in zip(jobs, places, strict=True)]


def _unique(seen: dict[str, At], jobs: Iterable[tuple[str, At]]) -> None:
    for name, place in jobs:
        if name in seen:
            place.get("job_name").fail(f'found multiple scrape configs with job name "{name}"')
        seen[name] = place

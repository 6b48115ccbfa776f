"""Targets: from discovered label sets, through relabelling, to an address to scrape."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote, urlencode

from promlab.config.kinds import is_label_name
from promlab.config.relabelling import relabel
from promlab.config.scrape import ScrapeConfig
from promlab.discovery.base import ADDRESS, TargetGroup
from promlab.exposition.body_parser import HistogramForms
from promlab.exposition.derive import Derivation
from promlab.model.durations import format_duration_ms, parse_duration_ms
from promlab.model.labels import LabelTable, Symbols

# Targets are scraped at common moments, some together: to wake up for each of them alone costs
# more than its scrape, as by then nothing is in the processor's caches any more.
MOMENT_MS = 50.0
_FEWEST_MOMENTS = 20  # to an interval
# With these, bodies say since when their series count, and protobuf says it best.
START_FEATURES = frozenset({"created-timestamp-zero-ingestion", "st-storage"})
_PARAM = "__param_"
_NATIVE = "__scrape_native_histograms__"
_CLASSIC = "__always_scrape_classic_histograms__"
_CONVERT = "__convert_classic_histograms_to_nhcb__"
_INTERVAL, _TIMEOUT = "__scrape_interval__", "__scrape_timeout__"


@dataclass(frozen=True, slots=True)
class Target:
    """One address to scrape. Labels are final; `discovered` is what relabelling began with."""

    discovered: Mapping[str, str]
    labels: Mapping[str, str]
    url: str
    interval_ms: int
    timeout_ms: int
    # What its own labels say of a job's switches, by the labels' names.
    switches: Mapping[str, bool] = field(default_factory=dict)

    def forms(self, job: ScrapeConfig) -> HistogramForms:
        """Which forms of native histograms are read."""
        limits = job.limits
        return HistogramForms(
            self.switches.get(_NATIVE, bool(limits.scrape_native_histograms)),
            self.switches.get(_CLASSIC, bool(limits.always_scrape_classic_histograms)),
        )

    def derivation(self, job: ScrapeConfig, features: frozenset[str]) -> Derivation:
        """What is made of bodies before they are stored."""
        convert = bool(job.limits.convert_classic_histograms_to_nhcb)
        return Derivation(
            convert_classic=self.switches.get(_CONVERT, convert),
            keep_classic=self.forms(job).classic,
            created_lines=not features.isdisjoint(START_FEATURES),
            type_and_unit="type-and-unit-labels" in features,
        )

    @property
    def identity(self) -> tuple[tuple[str, str], ...]:
        """What makes its series its own: the labels."""
        return tuple(sorted(self.labels.items()))

    def offset_ms(self, seed: str) -> float:
        """When in the interval it is scraped: spread by hash, the same after every start."""
        named = json.dumps([seed, self.url, self.identity]).encode()
        digest = hashlib.blake2b(named, digest_size=8).digest()
        offset_ms = int.from_bytes(digest, "big") % (self.interval_ms * 1_000_000) / 1_000_000
        if self.interval_ms < _FEWEST_MOMENTS * MOMENT_MS:
            return offset_ms
        return offset_ms // MOMENT_MS * MOMENT_MS


@dataclass(frozen=True, slots=True)
class TargetSet:
    """What comes out of a job's groups."""

    active: list[Target]
    dropped: list[dict[str, str]]  # discovered labels of what relabelling dropped
    errors: list[str]  # why others can't be scraped


class _BadTarget(ValueError):
    pass


def make_targets(groups: Iterable[TargetGroup], job: ScrapeConfig) -> TargetSet:
    """Targets of a job, each once."""
    discovered = [_with_defaults(labels, job) for group in groups for labels in group.label_sets()]
    table = LabelTable.from_dicts(discovered, Symbols())
    relabelled, rows = relabel(table, job.relabel_configs)
    active: dict[tuple[object, ...], Target] = {}
    errors = []
    for labels, row in zip(relabelled.rows(), rows.tolist(), strict=True):
        try:
            target = _target(labels, discovered[row], job)
        except _BadTarget as error:
            errors.append(f"{discovered[row].get(ADDRESS, '')}: {error}")
            continue
        active.setdefault((target.url, target.identity), target)
    kept = set(rows.tolist())
    dropped = [labels for i, labels in enumerate(discovered) if i not in kept]
    return TargetSet(list(active.values()), dropped, errors)


class Described(NamedTuple):
    """What becomes of one discovered target: no labels where relabelling drops it."""

    discovered: dict[str, str]
    labels: dict[str, str]
    error: str = ""


def described(groups: Iterable[TargetGroup], job: ScrapeConfig) -> list[Described]:
    """Every discovered target, each once, with all the labels that relabelling leaves.

    Those that say how it is scraped are among them, those about where it was found are not.
    """
    discovered = [_with_defaults(labels, job) for group in groups for labels in group.label_sets()]
    relabelled, rows = relabel(LabelTable.from_dicts(discovered, Symbols()), job.relabel_configs)
    found = [Described(labels, {}) for labels in discovered]
    for labels, row in zip(relabelled.rows(), rows.tolist(), strict=True):
        try:
            _target(labels, discovered[row], job)
        except _BadTarget as error:
            found[row] = found[row]._replace(error=str(error))
            continue
        shown = {name: text for name, text in labels.items() if not name.startswith("__meta_")}
        shown.setdefault("instance", labels[ADDRESS])
        found[row] = found[row]._replace(labels=dict(sorted(shown.items())))
    return list({json.dumps(each): each for each in found}.values())


def _with_defaults(labels: Mapping[str, str], job: ScrapeConfig) -> dict[str, str]:
    defaults = {
        "job": job.job_name,
        "__scheme__": job.scheme,
        "__metrics_path__": job.metrics_path,
        _INTERVAL: format_duration_ms(job.scrape_interval_ms),
        _TIMEOUT: format_duration_ms(job.scrape_timeout_ms),
    }
    defaults |= {_PARAM + name: values[0] for name, values in job.params.items() if values}
    merged = {**defaults, **{name: text for name, text in labels.items() if text}}
    return dict(sorted(merged.items()))


def _target(labels: dict[str, str], discovered: dict[str, str], job: ScrapeConfig) -> Target:
    address = labels.get(ADDRESS, "")
    if not address:
        raise _BadTarget("no address")
    if "/" in address or any(char <= " " for char in address):
        raise _BadTarget(f"{address!r} is not a valid hostname")
    interval_ms = _duration(labels, _INTERVAL, "scrape interval")
    timeout_ms = _duration(labels, _TIMEOUT, "scrape timeout")
    if timeout_ms > interval_ms:
        raise _BadTarget(
            f"scrape timeout cannot be greater than scrape interval "
            f'("{labels[_TIMEOUT]}" > "{labels[_INTERVAL]}")'
        )
    for name in labels:
        if not is_label_name(name):
            raise _BadTarget(f"{name!r} is not a valid label name")
    final = {name: text for name, text in labels.items() if not name.startswith("__")}
    final.setdefault("instance", address)
    switches = {name: _switch(labels, name) for name in (_NATIVE, _CLASSIC, _CONVERT)}
    told = {name: on for name, on in switches.items() if on is not None}
    return Target(discovered, final, _url(labels, address, job), interval_ms, timeout_ms, told)


def _switch(labels: Mapping[str, str], name: str) -> bool | None:
    text = labels.get(name, "")
    if text not in ("", "true", "false"):
        raise _BadTarget(f'{name} must be "true" or "false", not {text!r}')
    return text == "true" if text else None


def _duration(labels: Mapping[str, str], name: str, what: str) -> int:
    try:
        duration_ms = parse_duration_ms(labels.get(name, ""))
    except ValueError as error:
        raise _BadTarget(f"error parsing {what}: {error}") from None
    if duration_ms == 0:
        raise _BadTarget(f"{what} cannot be 0")
    return duration_ms


def _url(labels: Mapping[str, str], address: str, job: ScrapeConfig) -> str:
    scheme = labels.get("__scheme__", "")
    if scheme not in ("http", "https"):
        raise _BadTarget(f'invalid scheme: "{scheme}"')
    params: dict[str, Sequence[str]] = dict(job.params)
    for label, text in labels.items():
        if label.startswith(_PARAM):
            name = label.removeprefix(_PARAM)
            params[name] = (text, *params.get(name, ())[1:])
    path = quote(labels.get("__metrics_path__", ""), safe="/$&+,:;=@~!*'()")
    if path and not path.startswith("/"):
        path = "/" + path
    query = urlencode(sorted(params.items()), doseq=True)
    return f"{scheme}://{address}{path}{'?' + query if query else ''}"

"""Fields that `global` and each scrape config both have; 0 or empty means: as in `global`."""

from __future__ import annotations

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.kinds import Kind
from promlab.config.section import Section, opt, record

PROTOCOLS = (
    "PrometheusProto", "OpenMetricsText1.0.0", "OpenMetricsText0.0.1",
    "PrometheusText1.0.0", "PrometheusText0.0.4",
)  # fmt: skip
DEFAULT_PROTOCOLS = PROTOCOLS[1:]
VALIDATION_SCHEMES = ("utf8", "legacy")
ESCAPING_SCHEMES = ("allow-utf-8", "underscores", "dots", "values")
SAMPLE_LIMIT_ACTIONS = ("fail", "keep_known")

protocol: Kind[str] = kinds.one_of(*PROTOCOLS, what="scrape protocol")


def _protocols(at: At) -> tuple[str, ...]:
    found: list[str] = []
    for item in at.items():
        name = protocol(item)
        if name in found:
            item.fail(f"duplicated protocol {name!r} in scrape_protocols")
        found.append(name)
    if not found:
        at.fail("scrape_protocols cannot be empty")
    return tuple(found)


protocols: Kind[tuple[str, ...]] = Kind(
    _protocols,
    list,
    (),
    shape={"type": ["array", "null"], "items": protocol, "minItems": 1, "uniqueItems": True},
)


def _maybe_boolean(at: At) -> bool | None:
    return kinds.boolean(at)


# A switch that may be left to `global`.
switch: Kind[bool | None] = Kind(
    _maybe_boolean, lambda value: value, None, shape=kinds.boolean.shape
)


@record
class Limits(Section):
    """What one scrape may bring at most, and how names are judged."""

    body_size_limit: int = opt(kinds.size, 0)
    sample_limit: int = opt(kinds.unsigned, 0)
    # Beyond Prometheus: what becomes of a scrape that has more samples than that.
    sample_limit_action: str = opt(
        kinds.one_of(*SAMPLE_LIMIT_ACTIONS, what="sample limit action"), ""
    )
    label_limit: int = opt(kinds.unsigned, 0)
    label_name_length_limit: int = opt(kinds.unsigned, 0)
    label_value_length_limit: int = opt(kinds.unsigned, 0)
    target_limit: int = opt(kinds.unsigned, 0)
    keep_dropped_targets: int = opt(kinds.unsigned, 0)
    metric_name_validation_scheme: str = opt(
        kinds.one_of(*VALIDATION_SCHEMES, what="name validation scheme"), ""
    )
    metric_name_escaping_scheme: str = opt(
        kinds.one_of(*ESCAPING_SCHEMES, what="name escaping scheme"), ""
    )
    scrape_native_histograms: bool | None = opt(switch, None)
    convert_classic_histograms_to_nhcb: bool | None = opt(switch, None)
    always_scrape_classic_histograms: bool | None = opt(switch, None)
    extra_scrape_metrics: bool | None = opt(switch, None)
    scrape_failure_log_file: str = opt(kinds.path, "")

    def check(self, at: At) -> None:
        """Legacy names can't be sent unescaped."""
        if self.metric_name_validation_scheme == "legacy" and (
            self.metric_name_escaping_scheme == "allow-utf-8"
        ):
            at.get("metric_name_escaping_scheme").fail(
                "utf8 metric names requested but validation scheme is legacy"
            )

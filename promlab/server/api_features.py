"""/api/v1/features: what this server can do, by category, as Prometheus names it."""

from __future__ import annotations

from promlab.promql.checks import EXTENDED_RANGES, FILL_MODIFIERS
from promlab.promql.registry import AGGREGATIONS, EXPERIMENTAL_FUNCTIONS, FUNCTIONS
from promlab.server.api_search import FEATURE as SEARCH
from promlab.server.context import Context
from promlab.server.envelope import success
from promlab.server.settings import Settings
from promlab.web.http import Request, Response

Category = dict[str, bool]

_OPERATORS = (
    "+", "-", "*", "/", "%", "^", "==", "!=", "<", "<=", ">", ">=", "=~", "!~", "@",
    "and", "or", "unless", "atan2", "</", ">/",
)  # fmt: skip
_LANGUAGE = (
    "at_modifier", "bool", "by", "duration_expr", "group_left", "group_right", "ignoring",
    "negative_offset", "offset", "on", "per_query_lookback_delta", "subqueries", "without",
)  # fmt: skip
_API = (
    "exclude_alerts", "label_values_match", "query_stats", "query_warnings",
    "search_fuzz_alg_jarowinkler", "search_fuzz_alg_subsequence", "time_range_labels",
    "time_range_series",
)  # fmt: skip


async def features(context: Context, _request: Request) -> Response:
    """All categories."""
    return success(known_features(context.settings))


def known_features(settings: Settings) -> dict[str, Category]:
    """Whether each feature is there and on."""
    from promlab.config.discovery_sections import MECHANISMS
    from promlab.config.mechanisms import AVAILABLE
    from promlab.templating.prometheus import FUNCTION_NAMES

    given = frozenset(settings.features)
    experimental = EXPERIMENTAL_FUNCTIONS in given
    return {
        "api": _api(settings, given),
        "otlp_receiver": {
            "delta_conversion": "otlp-deltatocumulative" in given,
            "native_delta_ingestion": "otlp-native-delta-ingestion" in given,
        },
        "prometheus": {
            "agent_mode": settings.agent,
            "server_mode": not settings.agent,
            "auto_reload_config": settings.config_reload_interval_s > 0,
            "stringlabels": False,
        },
        "promql": _promql(given),
        "promql_functions": {
            name: experimental or not spec.experimental for name, spec in FUNCTIONS.items()
        },
        "promql_operators": dict.fromkeys(_OPERATORS, True)
        | {name: experimental or not spec.experimental for name, spec in AGGREGATIONS.items()},
        "rules": {
            "concurrent_rule_eval": "concurrent-rule-eval" in given,
            "keep_firing_for": True,
            "query_offset": True,
        },
        "service_discovery_providers": {"static": True, "file": True}
        | {name: name in AVAILABLE for name in MECHANISMS},
        "templating_functions": dict.fromkeys(sorted(FUNCTION_NAMES - {"tmpl"}), True),
        "ui": {"ui_v2": False, "ui_v3": True},
    }


def _api(settings: Settings, given: frozenset[str]) -> Category:
    return dict.fromkeys(_API, True) | {
        "admin": settings.enable_admin,
        "lifecycle": settings.enable_lifecycle,
        "otlp_write_receiver": settings.enable_otlp,
        "remote_write_receiver": settings.enable_remote_write,
        "search": SEARCH in given,
    }


def _promql(given: frozenset[str]) -> Category:
    extended, fill = EXTENDED_RANGES in given, FILL_MODIFIERS in given
    return dict.fromkeys(_LANGUAGE, True) | {
        "anchored": extended,
        "smoothed": extended,
        "fill": fill,
        "fill_left": fill,
        "fill_right": fill,
        "delayed_name_removal": "promql-delayed-name-removal" in given,
        "per_step_stats": "promql-per-step-stats" in given,
        "type_and_unit_labels": "type-and-unit-labels" in given,
    }

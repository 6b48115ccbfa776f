"""The rule files of a configuration, read and checked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from promlab.config.config import Config, matching_files
from promlab.config.rules import RuleGroupConfig, load_rule_file
from promlab.templating.prometheus import check


def rule_groups(
    config: Config, features: frozenset[str] | None = None
) -> Iterator[tuple[str, RuleGroupConfig]]:
    """File and group of every group. Raises ConfigError at the first that is not valid.

    `features` are those of PromQL that expressions may use; None allows all.
    """
    from promlab.promql import parse

    check_expr = partial(parse, features=features)
    legacy = config.global_.limits.metric_name_validation_scheme == "legacy"
    for pattern in config.rule_files:
        for file in matching_files(pattern):
            for group in load_rule_file(
                file, check_expr=check_expr, check_template=check, legacy=legacy
            ):
                yield file, group

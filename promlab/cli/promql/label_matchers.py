"""`promlab promql label-matchers`: set or delete one label's matcher in every selector."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from promlab.model.matchers import Matcher, MatchType

if TYPE_CHECKING:
    from promlab.promql.ast import Node

_TYPES = [kind.value for kind in MatchType]


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    setting = actions.add_parser("set", help="set the matcher of a label", allow_abbrev=False)
    setting.add_argument("-t", "--type", choices=_TYPES, default="=", help="its operator (=)")
    deleting = actions.add_parser("delete", help="delete it", allow_abbrev=False)
    for action in (setting, deleting):
        action.add_argument("query", help="the expression")
        action.add_argument("name", help="name of the label")
    setting.add_argument("value", help="value that the label is matched with")
    setting.set_defaults(matcher=lambda args: Matcher(args.name, MatchType(args.type), args.value))
    deleting.set_defaults(matcher=lambda args: None)


def run(args: argparse.Namespace) -> int:
    """Print the changed expression. Raises PromQLSyntaxError."""
    from promlab.promql import parse, pretty

    print(pretty(with_matcher(parse(args.query), args.name, args.matcher(args))))
    return 0


def with_matcher(node: Node, name: str, matcher: Matcher | None) -> Node:
    """The tree with this matcher for a label in all selectors, or with none for it."""
    from dataclasses import replace

    from promlab.promql.ast import VectorSelector, rewrite

    def changed(each: Node) -> Node:
        if not isinstance(each, VectorSelector):
            return each
        kept = tuple(one for one in each.matchers if one.name != name)
        return replace(each, matchers=(*kept, matcher) if matcher else kept)

    return rewrite(node, changed)

"""`${VAR}` in a configuration: environment variables, for whoever asked for that.

Only values are expanded, after YAML is read: what a variable holds can't add fields, and
errors keep their places. `${VAR:-text}` has a default, `$${VAR}` is `${VAR}` itself. External
labels are left alone, because they are always expanded, and in their own way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from promlab.errors import ConfigError

_VARIABLE = re.compile(r"(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
# Here ${name} may be a group of the regular expression.
_TEMPLATES = frozenset({"replacement", "target_label", "regex"})
_OWN_WAY = "external_labels"
_RESOLVER = yaml.resolver.Resolver()


def expand_nodes(node: yaml.Node, file: str, environment: Mapping[str, str]) -> None:
    """Expand the values below a node, in place. Raises ConfigError for one that is not set."""
    _Expansion(file, environment).walk(node, "")


class _Expansion:
    def __init__(self, file: str, environment: Mapping[str, str]) -> None:
        self._file, self._environment = file, environment
        self._seen: set[int] = set()

    def walk(self, root: yaml.Node, field: str) -> None:
        """All values below; with a list of what is to do, so that no depth is too deep."""
        todo: list[tuple[yaml.Node, str]] = [(root, field)]
        while todo:
            node, field = todo.pop()
            if id(node) in self._seen:
                continue  # reached by an alias before
            self._seen.add(id(node))
            if isinstance(node, yaml.MappingNode):
                for key, value in node.value:
                    name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
                    if name != _OWN_WAY:
                        todo.append((value, name))
            elif isinstance(node, yaml.SequenceNode):
                todo += [(item, field) for item in node.value]
            elif isinstance(node, yaml.ScalarNode) and "${" in node.value:
                self._expand(node, field)

    def _expand(self, node: yaml.ScalarNode, field: str) -> None:
        def value(found: re.Match[str]) -> str:
            escaped, name, default = found.groups()
            if escaped:
                return found.group(0)[1:]
            text = self._environment.get(name, default)
            if text is not None:
                return str(text)
            if field in _TEMPLATES:
                return found.group(0)
            mark = node.start_mark
            raise ConfigError(
                f"the environment variable {name} is not set: "
                f"set it, or give a default as in ${{{name}:-text}}",
                path=self._file,
                line=mark.line + 1,
                column=mark.column + 1,
                field=field,
            )

        node.value = _VARIABLE.sub(value, node.value)
        if not node.style:
            # Not quoted: a number is a number, as if it had been written there.
            tag: Any = _RESOLVER.resolve(yaml.ScalarNode, node.value, (True, False))  # type: ignore[no-untyped-call]
            node.tag = tag

"""`promlab check schema`: JSON schemas of configuration files, for editors."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from typing import Any

from promlab.config.kinds import TEXT
from promlab.config.schema import DRAFT, schema_of
from promlab.config.section import Section

# What a schema is of: the class that reads such files, and what they are called.
SCHEMAS = {
    "prometheus": ("promlab.config.config:Config", "prometheus.yml"),
    "scrape-configs": ("promlab.config.config:ScrapeConfigFile", "files of scrape_config_files"),
    "rules": ("promlab.config.rules:RuleFile", "rule files"),
    "tests": ("promlab.ruletest.file:TestFile", "tests of rules"),
    "web": ("promlab.config.web:WebConfig", "files for --web.config.file"),
    "alertmanager": ("promlab.alertmanager.config.config:Config", "alertmanager.yml"),
    "json": ("promlab.exporters.json.modules:ModulesFile", "modules of the JSON exporter"),
    "blackbox": ("promlab.exporters.blackbox.modules:ModulesFile", "modules of blackbox probes"),
}


def schema(name: str) -> dict[str, Any]:
    """The schema of the files that `SCHEMAS` has under this name."""
    place, title = SCHEMAS[name]
    module, _, cls = place.partition(":")
    found = getattr(import_module(module), cls)
    return schema_of(found, title) if issubclass(found, Section) else _of_struct(found, title)


def printed(name: str) -> str:
    """The schema as text."""
    return json.dumps(schema(name), indent=1, ensure_ascii=False) + "\n"


def _of_struct(struct: type[Any], title: str) -> dict[str, Any]:
    import msgspec

    def loose(value: Any) -> Any:
        """Its reader takes every scalar as text, and text as whatever it stands for."""
        if isinstance(value, list):
            return [loose(each) for each in value]
        if not isinstance(value, dict):
            return value
        if value.get("type") in ("string", "integer", "number", "boolean"):
            return {**value, **TEXT}
        if "$ref" in value:  # A section that is empty is as if it were not there.
            return {"anyOf": [value, {"type": "null"}]}
        if value.get("type") == "object" and "properties" not in value:
            value = {**value, "type": ["object", "null"]}
        return {key: loose(each) for key, each in value.items()}

    (found,), components = msgspec.json.schema_components(
        [struct], ref_template="#/definitions/{name}"
    )
    return {"$schema": DRAFT, "title": title, **found, "definitions": loose(components)}


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    names = "; ".join(f"{name}: {title}" for name, (_, title) in SCHEMAS.items())
    parser.add_argument("of", choices=list(SCHEMAS), help=names)


def run(args: argparse.Namespace) -> int:
    """Print a schema."""
    sys.stdout.write(printed(args.of))
    return 0

"""The `otlp` section: how OpenTelemetry names and attributes become labels."""

from __future__ import annotations

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.kinds import Kind
from promlab.config.section import Section, opt, record

STRATEGIES = (
    "UnderscoreEscapingWithSuffixes",
    "NoUTF8EscapingWithSuffixes",
    "UnderscoreEscapingWithoutSuffixes",
    "NoTranslation",
)


def _attributes(at: At) -> tuple[str, ...]:
    found: list[str] = []
    for item in at.items():
        name = item.text().strip()
        if not name:
            item.fail("empty OTel resource attribute")
        if name in found:
            item.fail(f"duplicated OTel resource attribute {name!r}")
        found.append(name)
    return tuple(found)


_known = kinds.one_of(*STRATEGIES, what="translation strategy")


def _strategy(at: At) -> str:
    """An empty one is the default, as where there is none."""
    return _known(at) if at.text() else STRATEGIES[0]


strategy: Kind[str] = Kind(_strategy, _known.write, STRATEGIES[0], shape=_known.shape)
attributes: Kind[tuple[str, ...]] = Kind(_attributes, list, ())


@record
class OTLPConfig(Section):
    """Settings of the OTLP receiver."""

    promote_all_resource_attributes: bool = opt(kinds.boolean, False)
    promote_resource_attributes: tuple[str, ...] = opt(attributes, ())
    ignore_resource_attributes: tuple[str, ...] = opt(attributes, ())
    translation_strategy: str = opt(strategy, STRATEGIES[0])
    keep_identifying_resource_attributes: bool = opt(kinds.boolean, False)
    convert_histograms_to_nhcb: bool = opt(kinds.boolean, False)
    promote_scope_metadata: bool = opt(kinds.boolean, False)
    label_name_underscore_sanitization: bool = opt(kinds.boolean, True)
    label_name_preserve_multiple_underscores: bool = opt(kinds.boolean, True)

    def check(self, at: At) -> None:
        """Either name what is promoted, or what is not."""
        if self.promote_all_resource_attributes and self.promote_resource_attributes:
            at.get("promote_resource_attributes").fail(
                "can't be configured beside promote_all_resource_attributes"
            )
        if self.ignore_resource_attributes and not self.promote_all_resource_attributes:
            at.get("ignore_resource_attributes").fail(
                "cannot be configured unless promote_all_resource_attributes is true"
            )

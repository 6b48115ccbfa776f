"""What messages of chat systems have in common: fields beside each other, buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promlab.alertmanager.config import kinds as own
from promlab.config import kinds
from promlab.config.document import At
from promlab.config.section import Section, opt, record

if TYPE_CHECKING:
    from promlab.alertmanager.notify.notice import Notice

maybe_boolean = own.maybe_kind(kinds.boolean)


@record
class FieldConfig(Section):
    """A title and a value, in a narrow column if `short`."""

    title: str = opt(kinds.string, "")
    value: str = opt(kinds.string, "")
    short: bool | None = opt(maybe_boolean, None)

    def payload(self, notice: Notice, short: bool) -> dict[str, Any]:
        """As these systems take it; `short` is what holds for all fields."""
        return {
            "title": notice.text(self.title),
            "value": notice.text(self.value),
            "short": short if self.short is None else self.short,
        }


@record
class FullField(FieldConfig):
    """A field that has both."""

    def check(self, at: At) -> None:
        """Neither may lack."""
        for name in ("title", "value"):
            if not getattr(self, name):
                at.fail(f"missing {name} in field configuration")


def without_empty(**values: Any) -> dict[str, Any]:
    """What is left when empty values are taken out."""
    return {name: value for name, value in values.items() if value not in ("", None, [], {}, False)}

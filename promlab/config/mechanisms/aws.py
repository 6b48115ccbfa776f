"""Machines at Amazon: EC2 and Lightsail."""

from __future__ import annotations

from typing import ClassVar

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.mechanisms.base import Asked, port
from promlab.config.secret import Secret
from promlab.config.section import Section, opt, record, sections


@record
class Filter(Section):
    """What machines must have."""

    name: str = opt(kinds.string, "", always=True)
    values: tuple[str, ...] = opt(kinds.strings, (), always=True)


@record
class Aws(Asked):
    """Whom to ask, as whom."""

    region: str = opt(kinds.string, "", always=True)
    endpoint: str = opt(kinds.string, "")
    access_key: str = opt(kinds.string, "")
    secret_key: Secret = opt(kinds.secret, Secret(""))
    profile: str = opt(kinds.string, "")
    role_arn: str = opt(kinds.string, "")
    external_id: str = opt(kinds.string, "")
    port: int = opt(port, 80, always=True)


@record
class Ec2(Aws):
    """Instances of EC2."""

    mechanism: ClassVar[str] = "ec2"
    filters: tuple[Filter, ...] = opt(sections(Filter, "empty or null EC2 filter"), ())

    def check(self, at: At) -> None:
        """A filter without values finds nothing."""
        Asked.check(self, at)
        places = at.get("filters").items() if self.filters else []
        for place, each in zip(places, self.filters, strict=True):
            if not each.values:
                place.get("values").fail("EC2 SD configuration filter values cannot be empty")


@record
class Lightsail(Aws):
    """Instances of Lightsail."""

    mechanism: ClassVar[str] = "lightsail"

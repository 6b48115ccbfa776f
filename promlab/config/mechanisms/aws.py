"""What runs at Amazon: machines, containers, databases, caches, brokers."""

from __future__ import annotations

from typing import ClassVar

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.mechanisms.base import Asked, needs, port
from promlab.config.secret import Secret
from promlab.config.section import Section, opt, record, sections, specs


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


def _check_filters(at: At, filters: tuple[Filter, ...], what: str) -> None:
    """A filter without values finds nothing."""
    places = at.get("filters").items() if filters else []
    for place, each in zip(places, filters, strict=True):
        if not each.values:
            place.get("values").fail(f"{what} SD configuration filter values cannot be empty")


@record
class Ec2(Aws):
    """Instances of EC2."""

    mechanism: ClassVar[str] = "ec2"
    filters: tuple[Filter, ...] = opt(sections(Filter, "empty or null EC2 filter"), ())

    def check(self, at: At) -> None:
        """Filters that find something."""
        Asked.check(self, at)
        _check_filters(at, self.filters, "EC2")


@record
class Lightsail(Aws):
    """Instances of Lightsail."""

    mechanism: ClassVar[str] = "lightsail"


@record
class _Clusters(Aws):
    clusters: tuple[str, ...] = opt(kinds.strings, ())
    request_concurrency: int = opt(kinds.integer, 10)

    def check(self, at: At) -> None:
        """At least one request at a time."""
        Asked.check(self, at)
        if self.request_concurrency < 1:
            at.get("request_concurrency").fail("request_concurrency must be positive")


@record
class Ecs(_Clusters):
    """Tasks of container services."""

    mechanism: ClassVar[str] = "ecs"
    request_concurrency: int = opt(kinds.integer, 20)


@record
class ElastiCache(_Clusters):
    """Nodes of caches, and serverless caches."""

    mechanism: ClassVar[str] = "elasticache"


@record
class Msk(_Clusters):
    """Brokers and controllers of Kafka clusters."""

    mechanism: ClassVar[str] = "msk"


@record
class Rds(_Clusters):
    """Instances of database clusters."""

    mechanism: ClassVar[str] = "rds"
    filters: tuple[Filter, ...] = opt(sections(Filter, "empty or null RDS filter"), ())

    def check(self, at: At) -> None:
        """Filters that find something."""
        _Clusters.check(self, at)
        _check_filters(at, self.filters, "RDS")


ROLES: dict[str, type[Aws]] = {
    "ec2": Ec2,
    "ecs": Ecs,
    "elasticache": ElastiCache,
    "lightsail": Lightsail,
    "msk": Msk,
    "rds": Rds,
}


@record
class AnyAws(Aws):
    """One of the services, by its role."""

    mechanism: ClassVar[str] = "aws"
    required: ClassVar[tuple[str, ...]] = ("role",)
    role: str = opt(kinds.offered(*ROLES), "", always=True)
    filters: tuple[Filter, ...] = opt(sections(Filter, "empty or null AWS filter"), ())
    clusters: tuple[str, ...] = opt(kinds.strings, ())

    def check(self, at: At) -> None:
        """A role, and filters that find something."""
        Asked.check(self, at)
        needs(at, "aws SD configuration", role=self.role)
        if self.role not in ROLES:
            names = ", ".join(ROLES)
            at.get("role").fail(f"unknown AWS SD role {self.role!r}: it must be one of {names}")
        _check_filters(at, self.filters, "AWS")

    def of_role(self) -> Aws:
        """The same as the section of the role's own mechanism."""
        made = ROLES[self.role]
        known = {each.name for each in specs(made)} & {each.name for each in specs(AnyAws)}
        return made(**{name: getattr(self, name) for name in known})

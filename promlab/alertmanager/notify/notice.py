"""One notification on its way to one integration: its alerts, its texts, its memory."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from promlab.alertmanager.alerts import Alert
from promlab.alertmanager.notify.template_data import AlertData, Data
from promlab.alertmanager.notify.templates import Templates
from promlab.alertmanager.receivers.errors import NotifyError
from promlab.templating import TemplateError

logger = logging.getLogger(__name__)

Value = str | int | float


@dataclass(slots=True, eq=False, weakref_slot=True)
class Group:
    """What a flush of a group and all its notifications share."""

    key: str
    labels: Mapping[str, str]
    receiver: str
    repeat_interval_ms: int
    now_ms: int


@dataclass(eq=False)
class Notice:
    """A notification for one integration.

    `store` is what the integration remembers of the last one (a message's id, for instance);
    what it puts there is kept in the notification log.
    """

    group: Group
    alerts: Sequence[Alert]
    reason: str
    external_url: str
    templates: Templates
    store: dict[str, Value] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @cached_property
    def data(self) -> Data:
        """The dot of templates."""
        now_ms = self.group.now_ms
        return Data(
            receiver=self.group.receiver,
            alerts=[AlertData(alert, alert.resolved_at(now_ms)) for alert in self.alerts],
            group_labels=self.group.labels,
            external_url=self.external_url,
            reason=self.reason,
        )

    @property
    def firing(self) -> bool:
        """Whether any alert fires."""
        now_ms = self.group.now_ms
        return any(not alert.resolved_at(now_ms) for alert in self.alerts)

    @property
    def key_hash(self) -> str:
        """SHA-256 of the group's key: what other systems know the group by."""
        return hashlib.sha256(self.group.key.encode()).hexdigest()

    def text(self, template: str) -> str:
        """A text for people. Where its template fails, the error stands in its place."""
        return self._lenient(self.templates.text, template)

    def html(self, template: str) -> str:
        """The same as HTML."""
        return self._lenient(self.templates.html, template)

    def exact(self, template: str) -> str:
        """A text that must be right: an address, a key. Raises NotifyError."""
        try:
            return self.templates.text(template, self.data)
        except TemplateError as error:
            raise NotifyError(f"template of an address failed: {error}") from None

    def _lenient(self, expand: Callable[[str, Any], str], template: str) -> str:
        try:
            return expand(template, self.data)
        except TemplateError as error:
            message = f"<error expanding template: {error}>"
            self.problems.append(str(error))
            logger.warning(
                "A template failed: the notification goes out with the error in it",
                extra={"facts": {"receiver": self.group.receiver, "err": str(error)}},
            )
            return message

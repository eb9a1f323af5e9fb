"""Errors of administrative actions; each message is one sentence that says what to do instead."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any


class ChangeRefused(Exception):
    """The action cannot be done as requested. The message is for the user."""


class NotFound(ChangeRefused):
    """There is no such tenant, user, key or destination."""


class AlreadyThere(ChangeRefused):
    """The name is taken."""


class ChangedMeanwhile(ChangeRefused):
    """An edit is based on a version that is no longer the newest: who made the newest, when, and what differs."""

    def __init__(
        self, what: str, *, version: str, by: str, at: datetime | None, differences: Sequence[dict[str, Any]] = ()
    ) -> None:
        """`what` names the object; a difference has `field`, `yours` (the edit's value) and `theirs` (the newest)."""
        when = f" at {at:%Y-%m-%d %H:%M:%S %Z}" if at else ""
        super().__init__(f"{what} was changed by {by or 'somebody'}{when}: look at version {version}, and edit again.")
        self.version = version
        self.by = by
        self.at = at
        self.differences = list(differences)

    def details(self) -> dict[str, Any]:
        """All of it, JSON-like."""
        return {
            "version": self.version,
            "changed_by": self.by,
            "changed_at": self.at.isoformat() if self.at else None,
            "differences": self.differences,
        }

"""Opportunities of the demo Salesforce, with the history of their stages; deleted ones stay in the recycle bin."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Values = dict[str, Any]
# Stage, whether it closes the opportunity, whether that is a sale.
FIRST_STAGES = (
    ("Prospecting", False, False),
    ("Proposal/Price Quote", False, False),
    ("Closed Won", True, True),
    ("Closed Lost", True, False),
)


def _stages() -> list[Values]:
    return [
        {"Id": f"01J{place:012d}AAA", "ApiName": name, "MasterLabel": name, "SortOrder": place + 1,
         "IsClosed": is_closed, "IsWon": is_won, "IsActive": True}
        for place, (name, is_closed, is_won) in enumerate(FIRST_STAGES)
    ]  # fmt: skip


@dataclass
class OrgOpportunities:
    """The opportunities of an org by id. `has_currencies`: whether they have one of their own (multi-currency orgs)."""

    has_currencies: bool = False
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)  # a field
    stages: list[Values] = field(default_factory=_stages)
    rows: dict[str, Values] = field(default_factory=dict)
    history: list[Values] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def fields(self) -> list[str]:
        """The names of the fields that our user sees."""
        known = ["Id", "Name", "StageName", "Amount", "CreatedDate", "CloseDate", "IsClosed", "IsWon", "IsDeleted"]
        return [*known, "SystemModstamp", *(["CurrencyIsoCode"] if self.has_currencies else [])]

    def add(self, **values: Any) -> str:
        """A new opportunity; its id."""
        now = self._now()
        made = {"Id": f"006{next(self._numbers):012d}AAA", "CreatedDate": now, "IsDeleted": False, "Amount": None,
                "CloseDate": "2026-12-31", "CurrencyIsoCode": "BRL"}  # fmt: skip
        self.rows[str(made["Id"])] = made
        self.update(str(made["Id"]), **{"StageName": "Prospecting", **values})
        return str(made["Id"])

    def update(self, opportunity_id: str, **values: Any) -> None:
        """Change one, or delete or restore it by `IsDeleted`; a change of its stage is kept in the history."""
        row = self.rows[opportunity_id]
        row |= {**values, "SystemModstamp": self._now()}
        if values.keys() & {"StageName", "Amount", "CloseDate"}:
            stage = next(each for each in self.stages if each["ApiName"] == row["StageName"])
            row |= {"IsClosed": stage["IsClosed"], "IsWon": stage["IsWon"]}
            made = {"Id": f"008{next(self._numbers):012d}AAA", "OpportunityId": opportunity_id}
            self.history.append({**made, "StageName": row["StageName"], "CreatedDate": row["SystemModstamp"]})

    def records(self, kind: str, *, with_deleted: bool) -> list[Values] | None:
        """The records of an object, None for another one."""
        kinds = {
            "Opportunity": [row for row in self.rows.values() if with_deleted or not row["IsDeleted"]],
            "OpportunityHistory": self.history,
            "OpportunityStage": self.stages,
        }
        return kinds.get(kind)

    def _now(self) -> str:
        return self.clock().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"

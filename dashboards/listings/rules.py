"""Rules as tables: those in force, and the versions."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import yaml

from dashboards.listings import Asked, Listing, ListingColumn, api_rows
from echolead.rules.rule_set import read_rule_set


def _rules(asked: Asked) -> pd.DataFrame:
    return rules_of(asked.from_api().get("/rules").body)


def rules_of(rule_set: Mapping[str, Any]) -> pd.DataFrame:
    """The rules of a version, each with its condition and actions as they are written: JSON would lose their order."""
    rows = [
        {
            "rule_position": number,
            "rule_id": rule.get("id", ""),
            "name": rule.get("name", ""),
            "rule_when": _in_one_line(rule.get("when")),
            "rule_then": _in_one_line(rule.get("then")),
        }
        for number, rule in enumerate(read_rule_set(rule_set["source"]).document["rules"], start=1)
    ]
    return pd.DataFrame(rows, columns=[each.name for each in RULES.columns])


def _in_one_line(part: Any) -> str:
    """A part of a rule in YAML's short form."""
    text = yaml.safe_dump(part, default_flow_style=True, allow_unicode=True, width=10**6, sort_keys=False)
    return text.removesuffix("...\n").strip()


def _versions(asked: Asked) -> pd.DataFrame:
    lines = asked.from_api().lines("/rules/versions", most=asked.rows)
    named = {"created_at": "made_at", "added": "rules_added", "removed": "rules_removed", "changed": "rules_changed"}
    return api_rows(VERSIONS, ({named.get(key, key): value for key, value in line.items()} for line in lines))


RULES = Listing(
    "rules",
    (
        ListingColumn("rule_position", "count", width="small"),
        ListingColumn("rule_id"),
        ListingColumn("name"),
        ListingColumn("rule_when", width="large"),
        ListingColumn("rule_then", width="medium"),
    ),
    _rules,
)
VERSIONS = Listing(
    "rule-versions",
    (
        ListingColumn("version", "count", width="small"),
        ListingColumn("made_at", "moment"),
        ListingColumn("author"),
        ListingColumn("reason", title="reason_why", width="medium"),
        ListingColumn("rules_added"),
        ListingColumn("rules_removed"),
        ListingColumn("rules_changed"),
    ),
    _versions,
)

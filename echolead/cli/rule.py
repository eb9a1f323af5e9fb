"""`echolead rule`: a tenant's rules over leads, in versions."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from echolead.cli.context import actor, administering, show_json, show_table
from echolead.cli.errors import CommandFailed
from echolead.cli.options import AsJson, DataDir, TenantId
from echolead.cli.processes import dry_run_of
from echolead.operational.lead_rules import (
    RuleVersion,
    apply_rules,
    get_rules,
    list_versions,
    revert_rules,
    rules_trial,
)
from echolead.rules.document import MAX_CHARACTERS
from echolead.rules.schema import SCHEMA

is_group = True
app = typer.Typer(help="Rules over leads: points, segments, labels, routes, destinations.", no_args_is_help=True)

Reason = Annotated[str, typer.Option(help="Why; shown with the version.", show_default=False)]
Version = Annotated[
    int | None,
    typer.Option(
        "--version", min=0, help="Another version than the one in force; 0: the default set.", show_default=False
    ),
]


@app.command("list")
def list_rules(tenant_id: TenantId, version: Version = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the rules in force, in their order."""
    with administering(data_dir) as (_, session):
        found = get_rules(session, tenant_id, version)
    rows = [
        {
            "version": found.version,
            "rule": rule["rule_id"],
            "name": rule["name"],
            "does": _does(rule["rule"]["actions"]),
        }
        for rule in found.rules
    ]
    if as_json:
        show_json(rows)
    else:
        show_table(rows, ("version", "rule", "name", "does"), nothing=f"Version {found.version} has no rule.")


@app.command("show")
def show_rules(tenant_id: TenantId, version: Version = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Print the rules as they were written; with --json what they say and what they were compiled to."""
    with administering(data_dir) as (_, session):
        found = get_rules(session, tenant_id, version)
    if as_json:
        show_json({**_described(found), "document": found.document, "rules": found.rules})
    else:
        sys.stdout.write(found.source if found.source.endswith("\n") else f"{found.source}\n")


@app.command("apply")
def apply(
    tenant_id: TenantId,
    file: Annotated[Path, typer.Argument(help="Rules in YAML; - reads standard input.", show_default=False)],
    reason: Reason,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Put rules in force as a new version; all of the tenant's leads are evaluated anew."""
    source = _text_of(file)
    with administering(data_dir) as (_, session):
        _show_version(apply_rules(session, tenant_id, source, actor=actor(), reason=reason), tenant_id, as_json)


@app.command("dry-run")
def dry_run(
    tenant_id: TenantId,
    file: Annotated[Path, typer.Argument(help="Rules in YAML; - reads standard input.", show_default=False)],
    days: Annotated[int, typer.Option(min=1, max=3660, help="Leads with events received in so many last days.")] = 90,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what rules would change if they were applied: how many leads in what, with examples. Nothing changes."""
    source = _text_of(file)
    with administering(data_dir) as (settings, session):
        trial = rules_trial(session, tenant_id, source, days)
    found: dict[str, Any] = dry_run_of(settings, "orchestration.live.rules_dry_run", trial)
    if as_json:
        show_json(found)
        return
    typer.echo(f"{found['changed']} of {found['leads']} leads would change.")
    changed = [{"what": name, "leads": count} for name, count in found["differences"].items() if count]
    if changed:
        show_table(changed, ("what", "leads"), nothing="")
    examples = _rows_of_examples(found["examples"])
    if examples:
        show_table(examples, ("lead", "what", "before", "after"), nothing="")


@app.command("revert")
def revert(
    tenant_id: TenantId,
    version: Annotated[
        int, typer.Argument(min=0, help="Version to return to; 0: the default set.", show_default=False)
    ],
    reason: Reason,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Put an earlier version in force again, as a new version."""
    with administering(data_dir) as (_, session):
        _show_version(revert_rules(session, tenant_id, version, actor=actor(), reason=reason), tenant_id, as_json)


@app.command("history")
def history(tenant_id: TenantId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the versions, newest first: who made them, why, and which rules they changed."""
    with administering(data_dir) as (_, session):
        rows = [{**_described(version), **asdict(changed)} for version, changed in list_versions(session, tenant_id)]
    columns = ("version", "created_at", "author", "reason", "added", "removed", "changed")
    if as_json:
        show_json(rows)
    else:
        show_table(rows, columns, nothing="")


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of rules, for editors."""
    sys.stdout.write(json.dumps(SCHEMA, indent=2) + "\n")


def _text_of(file: Path) -> str:
    try:
        raw = sys.stdin.buffer.read(4 * MAX_CHARACTERS + 1) if str(file) == "-" else file.read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{file} is not UTF-8: save it in that encoding.") from error


def _rows_of_examples(examples: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A row for each change of each lead."""
    return [
        {"lead": each["lead_id"], "what": name, "before": _shown(before), "after": _shown(after)}
        for each in examples
        for name, (before, after) in each["changes"].items()
    ]


def _shown(value: Any) -> str:
    """A score, or the names of a list that are not empty."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_shown, value))) or "-"
    return str(value) or "-"


def _show_version(made: RuleVersion, tenant_id: str, as_json: bool) -> None:
    if as_json:
        show_json(_described(made))
    else:
        typer.echo(f"Version {made.version} of the rules of {tenant_id} is in force: {len(made.rules)} rules.")


def _described(version: RuleVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "author": version.author,
        "reason": version.reason,
        "created_at": version.created_at,
    }


def _does(actions: list[dict[str, Any]]) -> list[str]:
    return [f"{action['kind'].replace('_', ' ')} {_what(action)}" for action in actions]


def _what(action: Mapping[str, Any]) -> str:
    match action["kind"]:
        case "points":
            once = f"{action['points']:+d}"
            each = f" for each {action['each']}" if action["each"] else ""
            most = f", at most {action['at_most']}" if action["at_most"] else ""
            half = f", halved every {action['half_life_days']} days" if action["half_life_days"] else ""
            return f"{once}{each}{most}{half}"
        case "route":
            agents = [each["agent"] for each in action["agents"]]
            return ", ".join(filter(None, [action["inbox"], action["team"], *agents]))
        case "send_to" | "withhold_from":
            return ", ".join(action["destinations"])
        case _:
            return str(action.get("name") or action["value"])

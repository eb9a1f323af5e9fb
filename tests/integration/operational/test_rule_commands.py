"""`echolead rule`: versions of a tenant's rules, and who changed what."""

import json
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError
from typer.testing import CliRunner

from echolead.cli import app
from echolead.operational.database import connect, system_session
from echolead.operational.models import LeadRuleSet
from echolead.operational.provision import OperationalUrls
from echolead.rules.rule_set import default_rule_set
from tests.fixtures.command_line import Run, RunJson
from tests.fixtures.operational import make_destination

RULES = """rules:
  # What the page of prices says
  - id: precos
    name: Viu os preços
    when: {fact: page./precos, within_days: 30}
    then:
      - points: 30
  - id: quente
    when: {fact: lead.score, gte: 30}
    then:
      - label: lead-quente
"""

WRONG = "rules: [{id: precos, thn: [{points: 1}]}]"


def test_a_tenant_begins_with_the_default_set(run: Run, run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    listed = run_json("rule", "list", slug)
    assert [rule["rule"] for rule in listed] == [rule.rule_id for rule in default_rule_set().rules]
    assert {rule["version"] for rule in listed} == {0}
    assert run("rule", "show", slug).stdout == default_rule_set().source
    (only,) = run_json("rule", "history", slug)
    assert (only["version"], only["author"], only["created_at"]) == (0, "echolead", None)


def test_a_change_is_a_new_version_with_author_and_reason(run: Run, run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    made = run_json("rule", "apply", slug, "-", "--reason", "preços primeiro", stdin=RULES)
    assert (made["version"], made["reason"]) == (1, "preços primeiro")
    assert made["author"].startswith("cli:")
    assert run("rule", "show", slug).stdout == RULES
    other = RULES.replace("points: 30", "points: 25").replace("quente\n    when", "morno\n    when")
    assert run_json("rule", "apply", slug, "-", "--reason", "menos", stdin=other)["version"] == 2

    newest, first, default = run_json("rule", "history", slug)
    assert (newest["added"], newest["removed"], newest["changed"]) == (["morno"], ["quente"], ["precos"])
    assert first["added"] == ["precos", "quente"]
    assert first["removed"] == default["added"] == [rule.rule_id for rule in default_rule_set().rules]
    assert [rule["does"] for rule in run_json("rule", "list", slug, "--version", "1")] == [
        ["points +30"],
        ["label lead-quente"],
    ]


def test_a_version_is_put_in_force_again_as_a_new_one(
    run: Run, run_json: RunJson, system_engine: Engine, slug: str
) -> None:
    run_json("tenant", "create", slug)
    run_json("rule", "apply", slug, "-", "--reason", "one", stdin=RULES)
    run_json("rule", "revert", slug, "0", "--reason", "back to the default")
    assert run_json("rule", "revert", slug, "1", "--reason", "and forth")["version"] == 3
    assert run("rule", "show", slug).stdout == RULES
    assert run("rule", "show", slug, "--version", "2").stdout == default_rule_set().source

    with system_session(system_engine) as session:
        asked = text("select action, subject, detail from audit_log where tenant_id = :t and action like 'lead_rules%'")
        left = [tuple(row) for row in session.execute(asked, {"t": slug})]
    assert [(action, subject, detail["reason"]) for action, subject, detail in left] == [
        ("lead_rules.applied", "version 1", "one"),
        ("lead_rules.reverted", "version 2", "back to the default"),
        ("lead_rules.reverted", "version 3", "and forth"),
    ]
    assert left[2][2]["to"] == 1


def test_what_is_written_in_a_version_is_shown_with_what_it_means(run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    run_json("rule", "apply", slug, "-", "--reason", "one", stdin=RULES)
    shown = run_json("rule", "show", slug)
    assert shown["document"] == yaml.safe_load(RULES)
    assert [rule["rule_id"] for rule in shown["rules"]] == ["precos", "quente"]
    assert shown["rules"][0]["rule"]["clauses"][0][0]["fact"] == "page./precos"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("apply", "-", "--reason", "x"), ["The rules were not saved", "line 1, column 22: 'thn' is not known here"]),
        (("apply", "/nowhere.yaml", "--reason", "x"), ["/nowhere.yaml cannot be read: No such file"]),
        (("revert", "7", "--reason", "x"), ["has no version 7 of its rules: the newest is 0"]),
        (("revert", "0", "--reason", "x"), ["Version 0", "is in force already"]),
        (("show", "--version", "4"), ["has no version 4"]),
    ],
)
def test_a_refusal_says_what_to_do(
    run: Run, run_json: RunJson, slug: str, words: tuple[str, ...], said: list[str]
) -> None:
    run_json("tenant", "create", slug)
    command, *rest = words
    refused = run("rule", command, slug, *rest, stdin=WRONG)
    assert refused.exit_code == 2
    for part in said:
        assert part in refused.output
    assert run_json("rule", "history", slug)[0]["version"] == 0


def test_the_same_text_and_an_empty_reason_are_refused(run: Run, run_json: RunJson, slug: str) -> None:
    run_json("tenant", "create", slug)
    assert "Say why, with --reason" in run("rule", "apply", slug, "-", "--reason", " ", stdin=RULES).output
    run_json("rule", "apply", slug, "-", "--reason", "one", stdin=RULES)
    again = run("rule", "apply", slug, "-", "--reason", "two", stdin=RULES)
    assert again.exit_code == 2
    assert f"Version 1 of tenant {slug} is this text already." in again.output


def test_a_destination_that_is_not_there_is_refused(
    run: Run, run_json: RunJson, system_engine: Engine, slug: str
) -> None:
    run_json("tenant", "create", slug)
    sending = RULES.replace("label: lead-quente", "send_to: [vendas]")
    refused = run("rule", "apply", slug, "-", "--reason", "x", stdin=sending)
    assert (
        f"Rule quente names the destination vendas, which tenant {slug} does not have: it has none." in refused.output
    )
    make_destination(system_engine, slug, name="vendas")
    assert run_json("rule", "apply", slug, "-", "--reason", "x", stdin=sending)["version"] == 1


def test_the_rules_are_read_from_a_file(run: Run, run_json: RunJson, tmp_path: Path, slug: str) -> None:
    run_json("tenant", "create", slug)
    file = tmp_path / "regras.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + RULES.encode())
    assert run_json("rule", "apply", slug, str(file), "--reason", "x")["version"] == 1
    file.write_bytes(RULES.encode("latin-1"))
    refused = run("rule", "apply", slug, str(file), "--reason", "y")
    assert f"{file} is not UTF-8" in refused.output.replace("\n", "")


def test_the_schema_is_printed_for_editors() -> None:
    printed = json.loads(CliRunner().invoke(app, ["rule", "schema"]).stdout)
    assert printed["properties"]["rules"]["maxItems"] == 200


@pytest.mark.parametrize("statement", ["update lead_rule_sets set reason = 'x'", "delete from lead_rule_sets"])
def test_no_role_of_a_service_changes_a_version(
    run_json: RunJson, slug: str, operational_urls: OperationalUrls, statement: str
) -> None:
    run_json("tenant", "create", slug)
    run_json("rule", "apply", slug, "-", "--reason", "one", stdin=RULES)
    engine = connect(operational_urls.system)
    with pytest.raises(ProgrammingError, match="permission denied"), system_session(engine) as session:
        session.execute(text(statement))
    with system_session(engine) as session:
        assert session.get(LeadRuleSet, (slug, 1)) is not None
    engine.dispose()

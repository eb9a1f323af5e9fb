"""What rules make of leads: scores with reasons, segments, owners, and what leaves for destinations."""

from tests.factories import moment, raw_destination, raw_event, raw_lead_rules, raw_tenant, uid
from tests.integration.dbt.conftest import Project


def test_smoke(project: Project) -> None:
    project.forget()
    project.write("tenants", [raw_tenant("acme")])
    project.write("destinations", [raw_destination("acme")])
    project.write("lead_rules", raw_lead_rules("""
rules:
  - id: form
    when: {fact: event.form_submit, is_set: true}
    then: [{points: {value: 5, each: event.form_submit, at_most: 10}}]
  - id: company
    when: {fact: lead.company, is_set: true}
    then: [{points: 20}]
  - id: quente
    when: {fact: lead.score, gte: 20}
    then: [{segment: Quente}, {label: quente}, {route: {team: Vendas, agents: [{agent: ana}, {agent: bia}]}}]
"""))
    project.write("events", [raw_event("form_submit", user={"email": "ana@x.test"}, properties={"company": "ACME"})])
    project.turn()
    print(project.query("select * from marts.lead_results"))
    print(project.query("select * from staging.lead_facts"))
    print(project.query("select * from staging.rule_outcomes"))
    print(project.query("select * from marts.lead_result_changes"))
    print(project.query("select payload from activation.lead_deliveries"))

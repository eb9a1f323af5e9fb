"""Other rules over the leads of one tenant: until all of them are evaluated again, while forms come in.

`BENCH_LEADS` is how many leads there are; of the rules there are forty.
"""

import os
import statistics
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import yaml
from sqlalchemy import Engine

from dlt_pipelines.operational.mirror import mirror_configuration
from dlt_pipelines.raw import ensure_raw_tables
from echolead.operational.database import system_session
from echolead.operational.lead_rules import apply_rules
from echolead.settings import Settings
from echolead.warehouse import connect
from orchestration.dbt.runner import Dbt
from orchestration.live.warehouse_turns import WarehouseTurns
from orchestration.prepare import prepare
from tests.bench.figure import Figure
from tests.bench.warehouse import ground, say, seconds_of_piece, turn_of_form
from tests.fixtures.fifty_rules import FIFTY_RULES, made_leads
from tests.fixtures.prepared import write_events

LEADS = int(os.environ.get("BENCH_LEADS", "50000"))
RULES = 40
SECONDS = 60
LEADS_OF_A_LOAD = 2_500
ROUNDS = 7
TENANT = "acme"


def run() -> list[Figure]:
    """Seconds until all leads have results of the other rules, and of turns over a form before and meanwhile."""
    with ground() as (settings, engine, _):
        write_leads(settings)
        prepare(settings)
        with WarehouseTurns(settings, Dbt(settings)) as turns:
            turns.run()
            before = [turn_of_form(settings, turns) for _ in range(ROUNDS)]
            put_in_force(settings, engine)
            seconds, meanwhile = work_off(settings, turns)
    return [
        Figure(f"rules: {LEADS:,} leads evaluated by {RULES} other rules", seconds, "s", SECONDS, lower_is_better=True),
        Figure("rules: leads evaluated again", LEADS / seconds, "leads/s"),
        Figure("rules: turn of one form before", statistics.median(before), "s", lower_is_better=True),
        Figure("rules: turn of one form meanwhile", statistics.median(meanwhile), "s", lower_is_better=True),
        Figure("rules: slowest turn of one form meanwhile", max(meanwhile), "s", lower_is_better=True),
    ]


def write_leads(settings: Settings) -> None:
    """The leads, by their events, into raw."""
    ensure_raw_tables(settings)
    now = datetime.now(UTC) - timedelta(hours=1)
    leads = made_leads(LEADS, now, TENANT)
    with closing(connect(settings.clickhouse_url.get_secret_value())) as client:
        for start in range(0, LEADS, LEADS_OF_A_LOAD):
            write_events(client, [row for lead in leads[start : start + LEADS_OF_A_LOAD] for row in lead.events])
    say(f"{LEADS:,} leads written")


def put_in_force(settings: Settings, engine: Engine) -> None:
    """The first forty of the fifty rules of the tests."""
    rules = yaml.safe_load(FIFTY_RULES)["rules"][:RULES]
    source = yaml.safe_dump({"rules": rules}, allow_unicode=True, sort_keys=False)
    with system_session(engine) as session:
        apply_rules(session, TENANT, source, actor="bench", reason="bench")
    mirror_configuration(settings)


def work_off(settings: Settings, turns: WarehouseTurns) -> tuple[float, list[float]]:
    """Seconds until no piece is left, turns over forms between them included, and the seconds of each of these."""
    meanwhile: list[float] = []
    start = time.perf_counter()
    while seconds_of_piece(turns) is not None:
        meanwhile.append(turn_of_form(settings, turns))
        if len(meanwhile) % 5 == 0:
            say(f"{len(meanwhile)} pieces, {time.perf_counter() - start:.0f} s")
    return time.perf_counter() - start, meanwhile

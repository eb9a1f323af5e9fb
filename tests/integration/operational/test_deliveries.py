"""Deliveries in the ledger that need an operator."""

from itertools import product

import psycopg
from sqlalchemy import Engine

from echolead.embedded.doctor import delivery_symptoms
from echolead.operational.deliveries import DeliveriesInTrouble, deliveries_in_trouble
from echolead.operational.models import DELIVERY_STATES
from echolead.operational.provision import OperationalUrls
from tests.fixtures.operational import make_destination, make_tenant

ERASURE = """
insert into erasures (tenant_id, lead_id, lead_hash, reason, requested_by) values (%s, 'l', 'h', 'r', 'x')
returning erasure_id
"""
DELIVERY = """
insert into deliveries (tenant_id, destination_id, lead_id, payload_hash, payload, state, created_at, erasure_id)
values (%s, %s, %s, 'hash', '{}', %s, clock_timestamp() - make_interval(mins => %s), %s)
"""


def test_a_delivery_is_stuck_after_fifteen_minutes_and_a_withdrawal_is_counted_apart(
    system_engine: Engine, operational_urls: OperationalUrls
) -> None:
    tenant_id = make_tenant(system_engine).tenant_id
    destination_id = make_destination(system_engine, tenant_id).destination_id
    with psycopg.connect(operational_urls.system) as connection:
        before = deliveries_in_trouble(connection)
        [erasure] = connection.execute(ERASURE, [tenant_id]).fetchone() or [None]
        for state, minutes, erasure_id in product(DELIVERY_STATES, (14, 16), (None, erasure)):
            lead_id = f"{state} for {minutes} {erasure_id}"
            connection.execute(DELIVERY, [tenant_id, destination_id, lead_id, state, minutes, erasure_id])
        connection.execute(DELIVERY, [tenant_id, destination_id, "one more", "dead", 1, erasure])
        after = deliveries_in_trouble(connection)
        connection.rollback()
    found = [now - then for now, then in zip(after, before, strict=True)]
    assert found == [3, 2, 3, 3]  # pending, in_flight, retry; dead; both of withdrawals


def test_doctor_names_withdrawals_for_what_they_are() -> None:
    found = [(each.level, each.subject, each.sentence) for each in delivery_symptoms(DeliveriesInTrouble(0, 0, 2, 1))]
    late = "15 minutes after they were planned, or their destination refuses EchoLead's configuration"
    assert found == [
        ("wrong", "Erasure", f"2 withdrawals of erased people have not arrived {late}"),
        ("wrong", "Erasure", "1 withdrawals of erased people were refused for good"),
        ("ok", "Deliveries", "none is stuck or given up"),
    ]

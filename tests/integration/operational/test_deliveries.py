"""Deliveries in the ledger that need an operator."""

import json
from itertools import product

import psycopg
from sqlalchemy import Engine

from echolead.operational.deliveries import deliveries_in_trouble
from echolead.operational.models import DELIVERY_STATES
from echolead.operational.provision import OperationalUrls
from tests.fixtures.operational import make_destination, make_tenant

DELIVERY = """
insert into deliveries (tenant_id, destination_id, lead_id, payload_hash, payload, state, created_at)
values (%s, %s, %s, 'hash', %s, %s, clock_timestamp() - make_interval(mins => %s))
"""


def test_a_delivery_is_stuck_after_fifteen_minutes(system_engine: Engine, operational_urls: OperationalUrls) -> None:
    tenant_id = make_tenant(system_engine).tenant_id
    destination_id = make_destination(system_engine, tenant_id).destination_id
    with psycopg.connect(operational_urls.system) as connection:
        before = deliveries_in_trouble(connection)
        for state, minutes in product(DELIVERY_STATES, (14, 16)):
            lead_id = f"{state} for {minutes}"
            connection.execute(DELIVERY, [tenant_id, destination_id, lead_id, json.dumps({}), state, minutes])
        after = deliveries_in_trouble(connection)
        connection.rollback()
    assert (after.stuck - before.stuck, after.dead - before.dead) == (3, 2)  # pending, in_flight, retry; dead

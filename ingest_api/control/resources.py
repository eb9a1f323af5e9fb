"""All resources of the control API."""

from ingest_api.control import (
    audit,
    deliveries,
    destinations,
    erasures,
    hours,
    leads,
    replays,
    rules,
    tasks,
    tenants,
    users,
)

RESOURCES = tuple(
    module.routes
    for module in (tenants, users, destinations, rules, hours, leads, erasures, deliveries, replays, tasks, audit)
)

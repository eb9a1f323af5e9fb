"""All resources of the control API."""

from ingest_api.control import (
    audit,
    dead_letters,
    deliveries,
    destinations,
    hours,
    lead_records,
    leads,
    replays,
    rules,
    tasks,
    tenants,
    users,
)

RESOURCES = tuple(
    module.routes
    for module in (
        tenants,
        users,
        destinations,
        rules,
        hours,
        lead_records,
        leads,
        deliveries,
        dead_letters,
        replays,
        tasks,
        audit,
    )
)

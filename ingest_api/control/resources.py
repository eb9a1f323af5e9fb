"""All resources of the control API."""

from ingest_api.control import (
    arrivals,
    audit,
    chat,
    dead_letters,
    deal_stages,
    deliveries,
    destinations,
    erasures,
    hours,
    lake,
    lead_records,
    leads,
    rates,
    replays,
    resyncs,
    rules,
    saved_filters,
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
        arrivals,
        rates,
        chat,
        deal_stages,
        lead_records,
        saved_filters,
        leads,
        erasures,
        deliveries,
        resyncs,
        dead_letters,
        replays,
        lake,
        tasks,
        audit,
    )
)

"""Every listing that has a file."""

from dashboards.listings.campaigns import CAMPAIGN_COSTS, CREDITS, PATHS_TO_LEAD
from dashboards.listings.chat import RESPONSES_BY_AGENT, RESPONSES_BY_HOUR, RESPONSES_BY_TEAM, WAITING_NOW
from dashboards.listings.dead_letters import DEAD_LETTERS
from dashboards.listings.destinations import DESTINATIONS, ERRORS
from dashboards.listings.health import (
    ASIDE,
    DELIVERY_STATES,
    FAILING_STEPS,
    IN_QUARANTINE,
    LAYERS,
    LOAD_LAG,
    REFUSALS,
    SHARED_CONTACTS,
    STUCK_DELIVERIES,
    UNMAPPED_STAGES,
)
from dashboards.listings.hours import CLOSED_DAYS, OWN_DAYS, WEEK
from dashboards.listings.install import NEWEST_EVENTS
from dashboards.listings.lead_record import FIELDS, LEAD_CHATS, LEAD_DEALS
from dashboards.listings.leads import LEADS_LIST
from dashboards.listings.missing import LEFT_OUT_FIELDS, SPEND_GAPS, UNKNOWN_EVENTS, UNREPLACED_PARAMETERS
from dashboards.listings.people import PEOPLE_BY, PEOPLE_BY_TIME
from dashboards.listings.quarantine import QUARANTINED
from dashboards.listings.replays import REPLAYS
from dashboards.listings.rules import RULES, VERSIONS
from dashboards.listings.team import AUDIT, KEYS, USERS
from dashboards.listings.timeline import TIMELINE

ACTING = (
    RULES,
    VERSIONS,
    DESTINATIONS,
    ERRORS,
    REPLAYS,
    DEAD_LETTERS,
    QUARANTINED,
    WEEK,
    OWN_DAYS,
    CLOSED_DAYS,
    USERS,
    KEYS,
    AUDIT,
)
"""Of the pages that act: their rows come from the control API as well, which decides who may read them."""
LISTINGS = (
    PEOPLE_BY,
    PEOPLE_BY_TIME,
    LEADS_LIST,
    TIMELINE,
    FIELDS,
    LEAD_CHATS,
    LEAD_DEALS,
    CAMPAIGN_COSTS,
    CREDITS,
    PATHS_TO_LEAD,
    RESPONSES_BY_TEAM,
    RESPONSES_BY_AGENT,
    RESPONSES_BY_HOUR,
    WAITING_NOW,
    LAYERS,
    LOAD_LAG,
    REFUSALS,
    DELIVERY_STATES,
    STUCK_DELIVERIES,
    ASIDE,
    SHARED_CONTACTS,
    IN_QUARANTINE,
    UNMAPPED_STAGES,
    LEFT_OUT_FIELDS,
    UNKNOWN_EVENTS,
    SPEND_GAPS,
    UNREPLACED_PARAMETERS,
    FAILING_STEPS,
    NEWEST_EVENTS,
    *ACTING,
)

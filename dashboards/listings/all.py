"""Every listing that has a file."""

from dashboards.listings.lead_record import FIELDS, LEAD_CHATS, LEAD_DEALS
from dashboards.listings.leads import LEADS_LIST
from dashboards.listings.people import PEOPLE_BY, PEOPLE_BY_TIME
from dashboards.listings.rules import RULES, VERSIONS
from dashboards.listings.timeline import TIMELINE

ACTING = (RULES, VERSIONS)
"""Of the pages that act: their rows come from the control API as well, which decides who may read them."""
LISTINGS = (PEOPLE_BY, PEOPLE_BY_TIME, LEADS_LIST, TIMELINE, FIELDS, LEAD_CHATS, LEAD_DEALS, *ACTING)

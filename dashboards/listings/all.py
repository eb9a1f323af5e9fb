"""Every listing that has a file."""

from dashboards.listings.lead_record import FIELDS, LEAD_CHATS, LEAD_DEALS
from dashboards.listings.leads import LEADS_LIST
from dashboards.listings.people import PEOPLE_BY, PEOPLE_BY_TIME
from dashboards.listings.timeline import TIMELINE

LISTINGS = (PEOPLE_BY, PEOPLE_BY_TIME, LEADS_LIST, TIMELINE, FIELDS, LEAD_CHATS, LEAD_DEALS)

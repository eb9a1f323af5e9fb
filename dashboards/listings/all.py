"""Every listing that has a file."""

from dashboards.listings.people import PEOPLE_BY, PEOPLE_BY_TIME

LISTINGS = (PEOPLE_BY, PEOPLE_BY_TIME)

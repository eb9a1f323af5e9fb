"""The demo HubSpot: a small stateful HubSpot account written by hand, for the demo and for the tests.

It has contacts, deals, notes, properties, associations and form submissions, with HubSpot's rules of uniqueness, typed
values, batches, limits, and faults on request. What it does not have is in docs/reference/hubspot.md.
"""

from echolead.demo.hubspot.app import create_app
from echolead.demo.hubspot.limits import HubSpotLimits
from echolead.demo.hubspot.store import HubSpotStore

__all__ = ["HubSpotLimits", "HubSpotStore", "create_app"]

"""The demo Salesforce: one org in memory, with Salesforce's rules for leads, and faults on request.

Its omissions are in docs/reference/salesforce.md.
"""

from echolead.demo.salesforce.app import create_app
from echolead.demo.salesforce.org import QUEUE_ID, USER_ID, Org, RowFault
from echolead.demo.salesforce.schema import LeadField

__all__ = ["QUEUE_ID", "USER_ID", "LeadField", "Org", "RowFault", "create_app"]

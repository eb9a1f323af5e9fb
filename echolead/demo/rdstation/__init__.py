"""The demo RD Station: one account of Marketing and CRM in memory, with RD's rules, and faults on request.

Its omissions are in docs/reference/rdstation.md.
"""

from echolead.demo.rdstation.app import create_app
from echolead.demo.rdstation.base import MarketingAccount, Tokens, of_crm
from echolead.demo.rdstation.crm import Crm

__all__ = ["Crm", "MarketingAccount", "Tokens", "create_app", "of_crm"]

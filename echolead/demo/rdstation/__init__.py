"""The demo RD Station Marketing: one account in memory, with RD's rules for contacts, and faults on request.

Its omissions are in docs/reference/rdstation.md.
"""

from echolead.demo.rdstation.app import create_app
from echolead.demo.rdstation.base import Base, Tokens

__all__ = ["Base", "Tokens", "create_app"]

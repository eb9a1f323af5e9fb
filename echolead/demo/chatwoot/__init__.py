"""The demo Chatwoot: a small stateful Chatwoot written by hand, for the demo and for the tests.

It speaks the account API, the widget's script and API, keeps Chatwoot's rules of uniqueness and merging, shows its
inbox at `/app`, and can misbehave on request. What it leaves out is in docs/reference/chatwoot.md.
"""

from echolead.demo.chatwoot.app import create_app
from echolead.demo.chatwoot.faults import Fault, Faults

__all__ = ["Fault", "Faults", "create_app"]

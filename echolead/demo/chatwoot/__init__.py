"""The demo Chatwoot: a small stateful Chatwoot written by hand, for the demo and for the tests.

It has the account API, the widget's script and API, Chatwoot's rules of uniqueness and merging, an inbox at `/app`, and
faults on request. Its omissions are in docs/reference/chatwoot.md.
"""

from echolead.demo.chatwoot.app import create_app
from echolead.demo.chatwoot.faults import Fault, Faults

__all__ = ["Fault", "Faults", "create_app"]

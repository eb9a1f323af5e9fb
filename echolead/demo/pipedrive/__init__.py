"""The demo Pipedrive: a small stateful Pipedrive account written by hand, for the demo and for the tests.

It has persons, leads, deals, notes and custom fields, a search whose index is behind, limits, and faults on request.
What it does not have is in docs/reference/pipedrive.md.
"""

from echolead.demo.pipedrive.app import create_app
from echolead.demo.pipedrive.limits import PipedriveLimits
from echolead.demo.pipedrive.store import PipedriveStore

__all__ = ["PipedriveLimits", "PipedriveStore", "create_app"]

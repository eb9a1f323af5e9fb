"""The demo Salesforce as an ASGI application."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware

from echolead.demo.chatwoot.faults import FaultMiddleware, Faults
from echolead.demo.salesforce import api
from echolead.demo.salesforce.org import Org
from echolead.demo.watching import DemoCredentials, watching

API = ("/services/",)


def create_app(
    credentials: DemoCredentials, *, org: Org | None = None, faults: Faults | None = None, is_silent: bool = False
) -> Starlette:
    """One org in memory. `is_silent`: updates by id answer 204 in every version."""
    org, faults = org or Org(), faults or Faults()

    def state() -> Mapping[str, Sequence[Mapping[str, Any]]]:
        return {"leads": list(reversed(org.present()))}

    app = Starlette(
        routes=[*api.routes(), *watching("Demo Salesforce", credentials, state, faults)],
        middleware=[Middleware(FaultMiddleware, faults=faults, below=API)],
    )
    app.state.org, app.state.is_silent = org, is_silent
    app.state.sessions = api.Sessions(credentials)
    return app

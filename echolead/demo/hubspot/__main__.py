"""`python -m echolead.demo.hubspot --port 8711 --data-dir var/hubspot`: serve the demo HubSpot.

The client secret in `credentials.json` is the account's token.
"""

from pathlib import Path

from starlette.applications import Starlette

from echolead.demo.chatwoot.faults import Faults
from echolead.demo.hubspot.app import create_app, held
from echolead.demo.hubspot.store import HubSpotStore
from echolead.demo.watching import DemoCredentials, serve, watching


def watched(credentials: DemoCredentials, _data_dir: Path) -> Starlette:
    """The account with a page of what it holds."""
    store, faults = HubSpotStore(), Faults()
    app = create_app(credentials.client_secret, store=store, faults=faults)
    app.router.routes += watching("Demo HubSpot", credentials, lambda: held(store), faults)
    return app


if __name__ == "__main__":
    serve("hubspot", watched)

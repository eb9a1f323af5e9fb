"""`python -m echolead.demo.pipedrive --port 8711 --data-dir var/pipedrive`: serve the demo Pipedrive.

The client secret in `credentials.json` is the account's token.
"""

from pathlib import Path

from starlette.applications import Starlette

from echolead.demo.chatwoot.faults import Faults
from echolead.demo.pipedrive.app import create_app, held
from echolead.demo.pipedrive.store import PipedriveStore
from echolead.demo.watching import DemoCredentials, serve, watching


def watched(credentials: DemoCredentials, _data_dir: Path) -> Starlette:
    """The account with a page of what it holds."""
    store, faults = PipedriveStore(), Faults()
    app = create_app(credentials.client_secret, store=store, faults=faults)
    app.router.routes += watching("Demo Pipedrive", credentials, lambda: held(store), faults)
    return app


if __name__ == "__main__":
    serve("pipedrive", watched)

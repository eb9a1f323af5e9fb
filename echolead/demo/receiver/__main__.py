"""`python -m echolead.demo.receiver --port 8715 --data-dir var/receiver`: serve the demo receiver.

It prints the secret that messages must be signed with.
"""

from pathlib import Path

from starlette.applications import Starlette

from echolead.demo.chatwoot.faults import Faults
from echolead.demo.products import webhook_secret
from echolead.demo.receiver.app import create_app, held
from echolead.demo.receiver.inbox import Inbox
from echolead.demo.watching import DemoCredentials, serve, watching


def watched(credentials: DemoCredentials, _data_dir: Path) -> Starlette:
    """The endpoint with a page of what arrived."""
    secret = webhook_secret(credentials)
    print(f"Messages are signed with {secret}", flush=True)  # noqa: T201  # for who started it
    inbox, faults = Inbox([secret]), Faults()
    app = create_app([secret], faults=faults, inbox=inbox)
    app.router.routes += watching("Demo webhook receiver", credentials, lambda: held(inbox), faults)
    return app


if __name__ == "__main__":
    serve("receiver", watched)

"""`python -m echolead.demo.ads --port 8716 --data-dir var/ads`: serve the demo ad platforms.

The client secret in `credentials.json` is the token of Meta, GA4 and OpenAI; Google's service account is beside it.
"""

from pathlib import Path

from starlette.applications import Starlette

from echolead.demo.ads.app import create_app, held
from echolead.demo.ads.platforms import load_or_make_platforms
from echolead.demo.chatwoot.faults import Faults
from echolead.demo.watching import DemoCredentials, serve, watching


def watched(credentials: DemoCredentials, data_dir: Path) -> Starlette:
    """The platforms with a page of what they count."""
    platforms, faults = load_or_make_platforms(data_dir), Faults()
    app = create_app(platforms, faults=faults)
    app.router.routes += watching("Demo ad platforms", credentials, lambda: held(platforms), faults)
    return app


if __name__ == "__main__":
    serve("ads", watched)

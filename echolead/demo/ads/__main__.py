"""`python -m echolead.demo.ads --port 8712`: serve the demo ad platforms."""

import argparse
import json
import os
from pathlib import Path

import uvicorn

from echolead.demo.ads.app import create_app
from echolead.demo.ads.platforms import Platforms


def main() -> None:
    """Serve until interrupted; what each platform counts is shown at `/`."""
    parser = argparse.ArgumentParser(prog="python -m echolead.demo.ads", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--service-account", type=Path, help="write the key of Google's service account to this file")
    arguments = parser.parse_args()
    platforms = Platforms()
    if arguments.service_account is not None:
        os.umask(0o077)
        address = f"http://{arguments.host}:{arguments.port}/api/google/token"
        arguments.service_account.write_text(json.dumps(platforms.google.service_account(address)))
    uvicorn.run(create_app(platforms), host=arguments.host, port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()

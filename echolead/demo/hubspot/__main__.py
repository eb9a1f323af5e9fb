"""`python -m echolead.demo.hubspot --port 8711 --access-token …`: serve the demo HubSpot."""

import argparse

import uvicorn

from echolead.demo.hubspot.app import create_app


def main() -> None:
    """Serve until interrupted; the records are gone afterwards."""
    parser = argparse.ArgumentParser(prog="python -m echolead.demo.hubspot", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--access-token", required=True, help="what a destination has as its access_token")
    arguments = parser.parse_args()
    uvicorn.run(create_app(arguments.access_token), host=arguments.host, port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()

"""`python -m echolead.demo.pipedrive --port 8712 --api-token …`: serve the demo Pipedrive."""

import argparse

import uvicorn

from echolead.demo.pipedrive.app import create_app


def main() -> None:
    """Serve until interrupted; the records are gone afterwards."""
    parser = argparse.ArgumentParser(prog="python -m echolead.demo.pipedrive", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--api-token", required=True, help="what a destination has as its api_token")
    arguments = parser.parse_args()
    uvicorn.run(create_app(arguments.api_token), host=arguments.host, port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()

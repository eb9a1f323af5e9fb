"""`python -m echolead.demo.receiver --port 8711 --secret whsec_…`: serve the demo receiver."""

import argparse

import uvicorn

from echolead.demo.receiver.app import create_app


def main() -> None:
    """Serve until interrupted; what was received is shown at `/`."""
    parser = argparse.ArgumentParser(prog="python -m echolead.demo.receiver", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--secret", required=True, help="whsec_… or whpk_…")
    arguments = parser.parse_args()
    uvicorn.run(create_app([arguments.secret]), host=arguments.host, port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()

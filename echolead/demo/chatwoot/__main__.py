"""`python -m echolead.demo.chatwoot --port 8707 --data-dir var/demo`: serve the demo Chatwoot."""

import argparse
import os
from pathlib import Path

import uvicorn

from echolead.demo.accounts import load_or_make_accounts
from echolead.demo.chatwoot.app import create_app


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m echolead.demo.chatwoot", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True, help="holds chatwoot.sqlite and accounts.json")
    arguments = parser.parse_args()
    os.umask(0o077)  # the records have names, addresses and phone numbers of people who try the demo
    app = create_app(arguments.data_dir / "chatwoot.sqlite", load_or_make_accounts(arguments.data_dir))
    uvicorn.run(app, host=arguments.host, port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()

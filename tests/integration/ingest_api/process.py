"""What a forked collector runs; a module of its own, so that the fork has little to import."""

import os
import sys

from ingest_api.__main__ import main


def serve(environment: dict[str, str], arguments: list[str]) -> None:
    """`python -m ingest_api` with these arguments, in this environment."""
    os.environ.update(environment)
    sys.argv[1:] = arguments
    main()

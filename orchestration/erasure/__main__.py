"""What is held of a person: `python -m orchestration.erasure COMMAND --data-dir DIR`; order and answer are JSON."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from clickhouse_connect.driver import exceptions as driver

from dlt_pipelines.lake.reading import LakeUnreadable
from dlt_pipelines.lake.storage import LakeAway
from echolead.operational.errors import NotFound
from echolead.settings import Settings, load_settings
from orchestration.erasure.report import held, report_of

COMMANDS: dict[str, Callable[[Settings, str, str], dict[str, Any]]] = {"report": report_of, "export": held}
KNOWN = (NotFound, LakeAway, LakeUnreadable, driver.Error, psycopg.Error)


def main() -> int:
    """Do what the arguments say. What a user can do something about is told in a sentence, with status 1."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.erasure", description=main.__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--data-dir", type=Path)
    given = parser.parse_args()
    order = json.load(sys.stdin)
    try:
        found = COMMANDS[given.command](load_settings(given.data_dir), order["tenant_id"], order["lead_id"])
    except KNOWN as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return 1
    sys.stdout.write(json.dumps(found, default=str) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

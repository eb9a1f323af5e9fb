"""`python -m dlt_pipelines.chatwoot --tenant-id T` pulls the tenant's accounts and prints what it did as JSON."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dlt_pipelines.chatwoot.pull import pull
from echolead.settings import load_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; 1 when an account could not be pulled."""
    parser = argparse.ArgumentParser(prog="python -m dlt_pipelines.chatwoot")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--tenant-id", required=True)
    asked = parser.parse_args(arguments)
    done = pull(load_settings(asked.data_dir), asked.tenant_id)
    sys.stdout.write(json.dumps([asdict(each) for each in done], ensure_ascii=False))
    return 1 if any(each.error for each in done) else 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m dlt_pipelines.spend FILE --tenant-id T …`: load a CSV file of ad spend, and print what it did as JSON."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

from dlt_pipelines.spend.csv_file import FileRow, UnreadableFile, read_file
from dlt_pipelines.spend.load import SpendLoad, append
from dlt_pipelines.spend.pull import the_only_load
from dlt_pipelines.spend.records import AdAccount
from echolead.settings import load_settings

MAX_BYTES = 100 * 1024**2


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks. 1 with the problems as JSON when the file cannot be loaded."""
    parser = argparse.ArgumentParser(prog="python -m dlt_pipelines.spend")
    parser.add_argument("file", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--tenant-id", required=True)
    for name in ("platform", "account", "currency", "zone"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--dry-run", action="store_true")
    asked = parser.parse_args(arguments)
    try:
        done = load(asked)
    except UnreadableFile as unreadable:
        done = {"problems": unreadable.problems}
    sys.stdout.write(json.dumps(done, ensure_ascii=False, default=str))
    return 0


def load(asked: argparse.Namespace) -> dict[str, Any]:
    """Load a file whole, account by account. Raises `UnreadableFile`, with nothing loaded."""
    if asked.file.stat().st_size > MAX_BYTES:
        raise UnreadableFile([f"The file is over {MAX_BYTES // 1024**2} MiB: load it in parts."])
    found = read_file(asked.file.read_bytes())
    rows = sorted(found.rows, key=lambda row: _place(row, asked))
    if rows and not all(_place(row, asked)[0] for row in rows):
        raise UnreadableFile(["The file does not say of which platform it is: give --platform, as in google_ads."])
    of_places = {place: list(each) for place, each in groupby(rows, key=lambda row: _place(row, asked))}
    load_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    if not asked.dry_run:
        settings = load_settings(asked.data_dir)
        with the_only_load(settings):
            for (platform, account_id, currency), each in of_places.items():
                account = AdAccount(account_id, "", asked.zone, currency)
                load = SpendLoad(asked.tenant_id, platform, account, asked.file.name, load_id)
                append(settings, load, [row.spend for row in each])
    return {
        "problems": [],
        "is_dry_run": asked.dry_run,
        "lines": found.lines,
        "load_id": "" if asked.dry_run else load_id,
        "accounts": [_told(place, each) for place, each in of_places.items()],
    }


def _place(row: FileRow, asked: argparse.Namespace) -> tuple[str, str, str]:
    """Platform, account and currency: as the file says, otherwise as asked."""
    return row.platform or asked.platform, row.account or asked.account, row.currency or asked.currency


def _told(place: tuple[str, str, str], rows: Sequence[FileRow]) -> dict[str, Any]:
    days: list[date] = [row.spend.day for row in rows]
    return {
        "platform": place[0],
        "account": place[1],
        "currency": place[2],
        "campaigns": len({row.spend.campaign_id or row.spend.campaign for row in rows}),
        "first_day": min(days),
        "last_day": max(days),
        "cost": sum((row.spend.cost for row in rows), Decimal(0)),
    }


if __name__ == "__main__":
    sys.exit(main())

"""What an operator asks of a destination's account, outside an engine: how it stands, what to make, a mapping to check.

`python -m reverse_etl.account {test,setup,mapping,preview} --tenant-id T --name D` prints a list of findings as JSON.
`setup` makes what is missing unless it has `--dry-run`, and with `--webhook-url` the webhook to it ('' for one that is
still to be made) whose secret is in the list, and each `--label`; `mapping` takes YAML on standard input, without a
call. `preview` takes JSON there (`MappingTrial`), and prints an object (`mapping_preview.preview`). When it cannot be
done the last line on standard error says why, and the exit code is 1.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import Engine, select

from echolead.operational.database import connect, system_session
from echolead.operational.models import Destination as DestinationRow
from echolead.security import Undecryptable, Vault
from echolead.settings import Settings, load_settings
from reverse_etl.calls import Calls
from reverse_etl.connecting import connected
from reverse_etl.destination import Finding, HasLabels, PostsWebhooks, SetUp, Testable
from reverse_etl.errors import DeliveryFailed, Misconfigured
from reverse_etl.lane import Policy
from reverse_etl.mapping_preview import MappingTrial, check_mapping, preview

SECONDS = 120.0
"""For all calls together."""


async def test(settings: Settings, row: DestinationRow, database: Engine) -> list[Finding]:
    """How the account stands. Raises `DeliveryFailed`, `Undecryptable`."""
    found = connected(row, settings, Vault.of_destinations(settings), Policy(), database)
    async with found.connection.client, asyncio.timeout(SECONDS):
        if not isinstance(found.destination, Testable):
            raise Misconfigured(f"A {row.kind} destination has nothing to test.")
        return await found.destination.test(Calls(found.connection))


async def setup(
    settings: Settings,
    row: DestinationRow,
    database: Engine,
    *,
    is_dry_run: bool,
    webhook_url: str | None = None,
    labels: Sequence[str] = (),
) -> list[Finding]:
    """Make what is missing in the account, or say what would be made; also the webhook, unless its address is None, and
    these labels of rules.

    Raises `DeliveryFailed`, `Undecryptable`.
    """
    found = connected(row, settings, Vault.of_destinations(settings), Policy(), database)
    async with found.connection.client, asyncio.timeout(SECONDS):
        if not isinstance(found.destination, SetUp):
            raise Misconfigured(f"A {row.kind} destination needs nothing in its account.")
        if isinstance(found.destination, HasLabels):
            found.destination.expect_labels(labels)
        made = await found.destination.setup(Calls(found.connection), is_dry_run)
        if webhook_url is not None and isinstance(found.destination, PostsWebhooks):
            made += await found.destination.setup_webhook(Calls(found.connection), webhook_url, is_dry_run)
        return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(prog="python -m reverse_etl.account")
    parser.add_argument("task", choices=("test", "setup", "mapping", "preview"))
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--tenant-id", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--webhook-url")
    parser.add_argument("--label", action="append", default=[], help="a label that rules give; repeatable")
    asked = parser.parse_args(arguments)
    settings = load_settings(asked.data_dir)
    database = connect(
        settings.postgres_deliveries_url.get_secret_value(), pool_size=1, application_name="echolead account"
    )
    try:
        row = _row(database, asked.tenant_id, asked.name)
        if asked.task == "preview":
            sys.stdout.write(json.dumps(preview(settings, row, database, MappingTrial(**json.load(sys.stdin)))))
            return 0
        findings: list[Finding] = []
        if asked.task == "mapping":
            check_mapping(settings, row, sys.stdin.read())
        elif asked.task == "setup":
            wanted = {"is_dry_run": asked.dry_run, "webhook_url": asked.webhook_url, "labels": asked.label}
            findings = asyncio.run(setup(settings, row, database, **wanted))
        else:
            findings = asyncio.run(test(settings, row, database))
    except (DeliveryFailed, Undecryptable) as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return 1
    except TimeoutError:
        sys.stderr.write(f"The account did not answer everything within {SECONDS:.0f} s.\n")
        return 1
    finally:
        database.dispose()
    sys.stdout.write(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    return 0


def _row(database: Engine, tenant_id: str, name: str) -> DestinationRow:
    wanted = select(DestinationRow).where(DestinationRow.tenant_id == tenant_id, DestinationRow.name == name)
    with system_session(database) as session:
        row = session.scalar(wanted)
        if row is None:
            raise Misconfigured(f"Tenant {tenant_id} has no destination {name}.")
        session.expunge(row)
        return row


if __name__ == "__main__":
    sys.exit(main())

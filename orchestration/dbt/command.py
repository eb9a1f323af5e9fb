"""`python -m orchestration.dbt.command`: dbt with the stack's address, account and lease, for `echolead dbt`.

The target `warehouse` is the project that the stack runs, over the tables that readers see; `dev` is the checkout, over
databases of an analyst's own. The lease of turns belongs to the process that writes, so that it lasts as long as that.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from dbt.cli.main import cli, dbtRunner

from dlt_pipelines.lease import Lease
from echolead.settings import Settings, load_settings
from orchestration.dbt.project import (
    DEV,
    TURN_LEASE,
    WAREHOUSE,
    Target,
    common_arguments,
    export_connection,
    manifest_path,
)

WHOLE = frozenset({"run", "build", "seed"})
"""Commands that have the option --full-refresh."""
WRITING = WHOLE | {"snapshot", "clone", "retry", "run-operation"}
READING = frozenset({"compile", "debug", "docs", "list", "ls", "parse", "show", "source", "test"})


class Refused(Exception):
    """dbt would harm what readers see, or has nothing to work on; the message says what to do instead."""


def run(settings: Settings, target: Target, given: Sequence[str]) -> int:
    """Run dbt with these arguments; its exit code. Raises `Refused`."""
    command = given[0] if given else ""
    if command not in WRITING | READING:
        raise Refused(f"dbt's command comes first, one of {', '.join(sorted(WRITING | READING))}; then its options.")
    if target == WAREHOUSE:
        added = _over_what_readers_see(settings, command, given)
    else:
        # Own tables would keep the rows that they were built with: here every run is from raw.
        added = ["--full-refresh"] if command in WHOLE and not _is_full_refresh(given) else []
    export_connection(settings, target)
    own_lease = Lease(settings.postgres_loader_url.get_secret_value(), TURN_LEASE)
    with own_lease if target == WAREHOUSE and command in WRITING else nullcontext():
        result = dbtRunner().invoke([*given, *added, *common_arguments(settings, target)])
    if result.exception is not None:
        raise Refused(str(result.exception))
    return 0 if result.success else 1


def _over_what_readers_see(settings: Settings, command: str, given: Sequence[str]) -> list[str]:
    """Arguments to add. Raises `Refused`."""
    if not manifest_path(settings).exists():
        raise Refused("The stack has not built its models yet: start it with `echolead up`.")
    if _is_full_refresh(given):
        raise Refused("Deliveries would not follow a full refresh: the next start builds whatever has changed.")
    if command == "seed":
        raise Refused("dbt empties a seed before it fills it: the next start loads a changed one beside.")
    return ["--exclude-resource-type", "seed"] if command == "build" else []


def _is_full_refresh(given: Sequence[str]) -> bool:
    """As dbt reads its options, which have short forms."""
    command, *options = given
    return bool(cli.commands[command].make_context(command, options, resilient_parsing=True).params.get("full_refresh"))


def main() -> None:
    """Exits as dbt does: 1 when a model or test failed, 2 when it could not run."""
    parser = argparse.ArgumentParser(prog="echolead dbt", allow_abbrev=False, add_help=False)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("-t", "--target", choices=(WAREHOUSE, DEV), default=WAREHOUSE)
    own, given = parser.parse_known_args()
    try:
        sys.exit(run(load_settings(own.data_dir), own.target, given))
    except Refused as refused:
        sys.stderr.write(f"echolead dbt: {refused}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()

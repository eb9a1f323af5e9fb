"""The queue's users and their subjects, for the embedded server and for external ones.

`python -m echolead.queue_users` prints `deploy/nats/users.conf`, which a test compares with this.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from echolead.queue import CANARY, REPLAY_READER, STREAMS, TRIAL_READER, inbox

OPERATOR, SETUP, COLLECTOR, LOADER = "echolead", "setup", "collector", "loader"

_NAMES = [*(stream.name for stream in STREAMS), CANARY]
_READERS = [f"{stream.name}.{stream.reader}" for stream in STREAMS]
_REREADERS = [f"{stream.name}.{reader}" for stream in STREAMS for reader in (REPLAY_READER, TRIAL_READER)]

PUBLISHES: dict[str, list[str]] = {
    # Creates the streams and changes their settings. It cannot read, delete or publish.
    SETUP: [f"$JS.API.STREAM.{verb}.{name}" for verb in ("INFO", "CREATE", "UPDATE") for name in _NAMES],
    # Publishes received data, reads the streams' settings and its own canary. It cannot read events.
    COLLECTOR: [
        *(stream.subject for stream in STREAMS),
        "canary.*",
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.*",
        f"$JS.API.STREAM.MSG.GET.{CANARY}",
    ],
    # Reads with its own consumers, and publishes dead letters.
    LOADER: [
        *(stream.subject for stream in STREAMS if stream.name == "DEAD"),
        *(f"$JS.API.STREAM.{verb}.{stream.name}" for verb in ("INFO", "MSG.GET") for stream in STREAMS),
        *(f"$JS.API.CONSUMER.{verb}.{reader}" for verb in ("INFO", "CREATE", "MSG.NEXT") for reader in _READERS),
        *(f"$JS.ACK.{reader}.>" for reader in _READERS),
        # What is read once more: of one tenant, and without acknowledging.
        *(f"$JS.API.CONSUMER.CREATE.{reader}.>" for reader in _REREADERS),
        *(f"$JS.API.CONSUMER.{verb}.{reader}" for verb in ("DELETE", "MSG.NEXT") for reader in _REREADERS),
    ],
}
"""Subjects each user may publish to, which JetStream also uses for requests and reads. The operator may use all."""

USERS = (OPERATOR, *PUBLISHES)


def authorization(passwords: Mapping[str, str]) -> dict[str, Any]:
    """The server's `authorization` block; `passwords` by user, one for each of `USERS`.

    Each may subscribe only to its own inbox, so that none can receive another's answers.
    """
    limited = [
        {
            "user": user,
            "password": passwords[user],
            "permissions": {"publish": subjects, "subscribe": [f"{inbox(user)}.>"]},
        }
        for user, subjects in PUBLISHES.items()
    ]
    return {"users": [{"user": OPERATOR, "password": passwords[OPERATOR]}, *limited]}


def included_file() -> str:
    """`deploy/nats/users.conf`: the same with the passwords as variables of the server's environment."""
    variables = {user: f"$NATS_{user.upper()}_PASSWORD" for user in USERS}
    variables[OPERATOR] = "$NATS_PASSWORD"
    text = json.dumps(authorization(variables), indent=2)
    for variable in variables.values():
        text = text.replace(f'"{variable}"', variable)  # in quotes it would be the password itself
    return f"# Made by `python -m echolead.queue_users`; nats.conf includes it.\nauthorization: {text}\n"


if __name__ == "__main__":
    sys.stdout.write(included_file())

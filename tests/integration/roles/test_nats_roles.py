"""The rights of each user of the queue, tried one by one: `pytest -s` prints the matrix.

Requests are sent raw, without the restrictions of a client library; the server reports a refusal as an error of the
connection.
"""

import asyncio
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import nats
import pytest

from echolead.embedded.alone import running
from echolead.embedded.nats import EmbeddedNats
from echolead.queue import STREAMS, Stream, inbox
from echolead.queue_users import COLLECTOR, LOADER, OPERATOR, SETUP, USERS
from tests.fixtures.parts import free_port
from tests.fixtures.queue_messages import QUEUE_PASSWORDS, renew_streams

ROOT = Path(__file__).parents[3]
REFUSED = re.compile(r"permissions violation for (?:publish|subscription) to \"([^\"]+)\"", re.IGNORECASE)
LAST = "the.last"
"""Subject that only the operator may publish to; the server reports refusals in order."""
OWN_INBOX = "<inbox"
PULL = json.dumps({"batch": 1, "no_wait": True}).encode()
READER = {
    "durable_name": "raw-loader",
    "name": "raw-loader",
    "ack_policy": "explicit",
    "deliver_policy": "all",
}


def _consumer(stream: str, **config: object) -> bytes:
    return json.dumps({"stream_name": stream, "config": {**READER, **config}}).encode()


def _stream(name: str, **config: object) -> bytes:
    return json.dumps({"name": name, "subjects": [f"{name.lower()}.*"], "storage": "file", **config}).encode()


# Action, subject, payload, who may. A subject that begins with "<" is subscribed to.
ACTIONS: dict[str, tuple[str, bytes, str]] = {
    "publish an event": ("events.acme", b"{}", "collector"),
    "publish a webhook": ("webhooks.acme.chatwoot", b"{}", "collector"),
    "publish a dead letter": ("dead.acme", b"{}", "collector loader"),
    "write a canary": ("canary.collector", b"{}", "collector"),
    "publish elsewhere": ("anything.acme", b"{}", ""),
    "ask for the account": ("$JS.API.INFO", b"", "collector"),
    "ask for a stream's state": ("$JS.API.STREAM.INFO.EVENTS", b"", "setup collector loader"),
    "ask for a reader's state": ("$JS.API.CONSUMER.INFO.EVENTS.raw-loader", b"", "loader"),
    "list the streams": ("$JS.API.STREAM.LIST", b"", ""),
    "read a message of a stream": ("$JS.API.STREAM.MSG.GET.EVENTS", b'{"seq": 1}', "loader"),
    "read a message directly": ("$JS.API.DIRECT.GET.EVENTS", b'{"seq": 1}', ""),
    "read back the canary": ("$JS.API.STREAM.MSG.GET.CANARY", b'{"last_by_subj": "canary.x"}', "collector"),
    "make the loader's reader": (
        "$JS.API.CONSUMER.CREATE.EVENTS.raw-loader",
        _consumer("EVENTS"),
        "loader",
    ),
    "make a reader of its own": (
        "$JS.API.CONSUMER.CREATE.EVENTS.spy",
        _consumer("EVENTS", name="spy", durable_name="spy"),
        "",
    ),
    "make a reader without a name": (
        "$JS.API.CONSUMER.CREATE.EVENTS",
        _consumer("EVENTS", name=None, durable_name=None),
        "",
    ),
    "make the reader of replays for a tenant": (
        "$JS.API.CONSUMER.CREATE.EVENTS.replay-reader.events.acme",
        _consumer("EVENTS", name="replay-reader", durable_name=None, filter_subject="events.acme", ack_policy="none"),
        "loader",
    ),
    "make the reader of replays for all": (
        "$JS.API.CONSUMER.CREATE.EVENTS.replay-reader",
        _consumer("EVENTS", name="replay-reader", durable_name=None),
        "",
    ),
    "read by the reader of dry runs": ("$JS.API.CONSUMER.MSG.NEXT.EVENTS.trial-reader", PULL, "loader"),
    "forget the reader of replays": ("$JS.API.CONSUMER.DELETE.EVENTS.replay-reader", b"", "loader"),
    "read by the loader's reader": ("$JS.API.CONSUMER.MSG.NEXT.EVENTS.raw-loader", PULL, "loader"),
    "acknowledge for the loader": ("$JS.ACK.EVENTS.raw-loader.1.1.1.1.0", b"+ACK", "loader"),
    "stop the loader's reader": ("$JS.API.CONSUMER.PAUSE.EVENTS.raw-loader", b"{}", ""),
    "delete the loader's reader": ("$JS.API.CONSUMER.DELETE.EVENTS.raw-loader", b"", ""),
    "make one of our streams": ("$JS.API.STREAM.CREATE.EVENTS", _stream("EVENTS"), "setup"),
    "make another stream": ("$JS.API.STREAM.CREATE.MINE", _stream("MINE"), ""),
    "change a stream": ("$JS.API.STREAM.UPDATE.EVENTS", _stream("EVENTS"), "setup"),
    "delete a message": ("$JS.API.STREAM.MSG.DELETE.EVENTS", b'{"seq": 1000000}', ""),
    "empty a stream": ("$JS.API.STREAM.PURGE.CANARY", b"", ""),
    "delete a stream": ("$JS.API.STREAM.DELETE.DEAD", b"", ""),
    "copy a stream out": ("$JS.API.STREAM.SNAPSHOT.EVENTS", b'{"deliver_subject": "x"}', ""),
    "listen to events": ("<events.*", b"", ""),
    "listen to everything": ("<>", b"", ""),
    "listen to others' answers": ("<_INBOX_operator.>", b"", ""),
    "listen to the server": ("<$SYS.>", b"", ""),
    "hear answers": (OWN_INBOX, b"", "setup collector loader"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNats]:
    """A separate queue: the operator's actions here would disturb other tests."""
    folder = tmp_path_factory.mktemp("queue-roles")
    nats_server = EmbeddedNats(folder / "nats", free_port(), free_port(), QUEUE_PASSWORDS)
    nats_server.prepare()
    with running(nats_server.part(), folder):
        renew_streams(nats_server.url)
        yield nats_server


class Refusals:
    """Collects the server's errors for a connection: the refused subjects, in lower case."""

    def __init__(self) -> None:
        self.subjects: set[str] = set()
        self.has_heard_all = asyncio.Event()

    async def hear(self, error: Exception) -> None:
        """Called by the client for each error."""
        if match := REFUSED.search(str(error)):
            self.subjects.add(match[1].lower())
            if match[1].lower() == LAST:
                self.has_heard_all.set()


async def try_all(server: EmbeddedNats, user: str, asked: Mapping[str, bytes]) -> set[str]:
    """Publish to these subjects, or subscribe to them behind "<"; those that the server refuses."""
    refusals = Refusals()
    client = await nats.connect(
        server.url_of(user), inbox_prefix=inbox(user).encode(), error_cb=refusals.hear, allow_reconnect=False
    )
    try:
        for subject, payload in asked.items():
            if subject.startswith("<"):
                await client.subscribe(_wanted(subject, user))
            else:
                await client.publish(subject, payload, reply=f"{inbox(user)}.answer")
        await client.publish(LAST, b"")
        await client.flush()
        if user != OPERATOR:  # who is refused nothing
            async with asyncio.timeout(10):
                await refusals.has_heard_all.wait()
    finally:
        await client.close()
    return {subject for subject in asked if _wanted(subject, user).lower() in refusals.subjects}


def _wanted(subject: str, user: str) -> str:
    return f"{inbox(user)}.x" if subject == OWN_INBOX else subject.removeprefix("<")


def test_each_user_may_do_what_its_service_needs_and_nothing_else(server: EmbeddedNats) -> None:
    asked = {subject: payload for subject, payload, _ in ACTIONS.values()}
    found: dict[tuple[str, str], bool] = {}
    for user in USERS:
        refused = asyncio.run(try_all(server, user, asked))
        found |= {(action, user): subject not in refused for action, (subject, _, _) in ACTIONS.items()}
    print_matrix(found)
    expected = {
        (action, user): user == OPERATOR or user in may.split()
        for action, (_, _, may) in ACTIONS.items()
        for user in USERS
    }
    wrong = {cell: allowed for cell, allowed in found.items() if allowed != expected[cell]}
    assert wrong == {}


def print_matrix(found: dict[tuple[str, str], bool]) -> None:
    """A line an action, a column a user."""
    width = max(map(len, ACTIONS))
    lines = ["  ".join([f"\n{'queue':<{width}}", *USERS])]
    for action in ACTIONS:
        cells = [("yes" if found[action, user] else "-").ljust(len(user)) for user in USERS]
        lines.append("  ".join([f"{action:<{width}}", *cells]))
    sys.stdout.write("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    "account",
    [
        pytest.param({}, id="no account"),
        pytest.param({"user": LOADER, "pass": "wrong"}, id="wrong password"),
        pytest.param({"user": "nobody", "pass": QUEUE_PASSWORDS[LOADER]}, id="unknown user"),
    ],
)
def test_a_connection_without_a_password_is_refused(server: EmbeddedNats, account: dict[str, str]) -> None:
    heard = b""
    with socket.create_connection((server.host, server.port), timeout=10) as line:
        line.sendall(f"CONNECT {json.dumps({'verbose': False, **account})}\r\nPING\r\n".encode())
        while said := line.recv(4096):  # until the server hangs up
            heard += said
    assert b"Authorization Violation" in heard
    assert b"PONG" not in heard


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_every_stream_has_its_maker_its_writer_and_its_loader(server: EmbeddedNats, stream: Stream) -> None:
    for user, subject in {
        SETUP: f"$JS.API.STREAM.UPDATE.{stream.name}",
        COLLECTOR: stream.subject.replace("*", "acme"),
        LOADER: f"$JS.API.CONSUMER.MSG.NEXT.{stream.name}.{stream.reader}",
    }.items():
        assert asyncio.run(try_all(server, user, {subject: b"{}"})) == set()


def test_the_production_servers_configuration_has_the_same_users() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "echolead.queue_users"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert (ROOT / "deploy/nats/users.conf").read_text() == made.stdout

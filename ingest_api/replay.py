"""Events that were refused, or of which something was set aside, through the collector's checks to its queue again.

`python -m ingest_api.replay --data-dir DIR` reads one `Sent` a line on standard input, and answers each with a line of
JSON on standard output: whether it was queued, or why not. What is not queued is no new dead letter.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from echolead.events import ReceivedRequest, encode
from echolead.publishing import publish
from echolead.settings import Settings, load_settings
from ingest_api.events.batch import CheckedBatch, check_batch
from ingest_api.http.problems import Problem


class Sent(Struct, frozen=True, kw_only=True):
    """One event as it was sent or corrected, with its request as the collector recorded it, without events.

    `region` is the tenant's for phone numbers without +. The content is base64 in JSON.
    """

    region: str
    request: ReceivedRequest
    content: bytes


class Verdict(Struct, frozen=True, kw_only=True):
    """What became of it: queued, or the reason as a code and a sentence."""

    is_queued: bool
    reason: str = ""
    detail: str = ""


def replay(settings: Settings, events: Iterable[Sent]) -> list[Verdict]:
    """Check each event and queue those that pass; when this returns they are on disk. Raises as `publish`."""
    checked = [(sent.request, _checked(sent)) for sent in events]
    passed = [
        msgspec.structs.replace(request, events=batch.accepted)
        for request, batch in checked
        if isinstance(batch, CheckedBatch)
    ]
    publish(settings, passed, lambda _: None, name="replay of dead letters")
    return [Verdict(is_queued=True) if isinstance(batch, CheckedBatch) else batch for _, batch in checked]


def _checked(sent: Sent) -> CheckedBatch | Verdict:
    """The event as the collector accepts it, in a batch of its own, or why it does not."""
    try:
        batch = check_batch(b'{"events":[' + sent.content + b"]}", sent.region)
    except Problem as problem:
        return Verdict(is_queued=False, reason="malformed_json", detail=problem.detail)
    if batch.rejected:
        return Verdict(is_queued=False, reason=batch.rejected[0].reason, detail=batch.rejected[0].detail)
    if len(batch.accepted) != 1:
        return Verdict(is_queued=False, reason="malformed_json", detail="It holds more than one event.")
    return batch


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data-dir", type=Path, required=True)
    read = msgspec.json.Decoder(Sent)
    answers = replay(load_settings(arguments.parse_args().data_dir), map(read.decode, sys.stdin.buffer))
    sys.stdout.write("".join(encode(answer).decode() + "\n" for answer in answers))

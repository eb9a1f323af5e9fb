"""A power cut: the content of the disk at one moment, without the kernel's unwritten pages.

`kill -9` does not test this, because the kernel still writes a killed process's pages. So the queue's store is on a
file system in a file, and that file is copied at the moment the queue is killed: unsynced data is not in the copy. The
same run with the queue's default syncing must lose events, or the test would prove nothing.
"""

import asyncio
import os
import subprocess
import time
from pathlib import Path
from uuid import uuid4

import pytest

from echolead.embedded.alone import running
from echolead.embedded.nats import EmbeddedNats
from echolead.queue import connect
from echolead.queue_users import COLLECTOR
from ingest_api.metrics import Metrics
from ingest_api.queue.publish import Publisher, QueueUnavailable
from tests.fixtures.parts import free_port
from tests.fixtures.queue_messages import QUEUE_PASSWORDS, messages
from tests.integration.ingest_api.conftest import make_streams
from tests.integration.ingest_api.loop_disk import make_disk, mounted

pytestmark = pytest.mark.power_cut

DISK_BYTES = 128 * 1024**2
PUBLISH_SECONDS = 2.0
PUBLISHERS = 64
SUBJECT = "events.power-cut"


@pytest.fixture
def disk_image(tmp_path: Path) -> Path:
    """An empty disk in a file; skips where it could not be mounted."""
    return make_disk(tmp_path, DISK_BYTES, "POWER CUT")


def queue_on(folder: Path, *, sync_interval: str) -> EmbeddedNats:
    """A nats-server whose store is on the file system at `folder`."""
    nats = EmbeddedNats(folder / "nats", free_port(), free_port(), QUEUE_PASSWORDS)
    nats.prepare()
    configuration = nats.data_dir / "nats.json"
    text = configuration.read_text()
    configuration.write_text(text.replace('"sync_interval": "always"', f'"sync_interval": "{sync_interval}"'))
    return nats


async def publish_until(deadline: float, publisher: Publisher, acked: set[str]) -> None:
    """Publish lines through group commit, one after the other, and note those that are said to be durable."""
    while time.monotonic() < deadline:
        line = uuid4().hex
        try:
            await publisher.publish(SUBJECT, line.encode())
        except QueueUnavailable:
            return
        acked.add(line)


async def cut_power(image: Path, tmp_path: Path, sync_interval: str) -> tuple[set[str], Path]:
    """Publish, kill the queue and copy the disk at once; returns the acknowledged lines and the copy."""
    acked: set[str] = set()
    crashed = tmp_path / "crashed.img"
    with mounted(image, tmp_path / "disk") as folder:
        nats = queue_on(folder, sync_interval=sync_interval)
        os.sync()  # the configuration and the empty file system are old news when the power goes
        with running(nats.part(), tmp_path / "logs") as process:
            await make_streams(nats)
            os.sync()
            publisher = Publisher(Metrics())
            client = await connect(nats.url_of(COLLECTOR), name="tests")
            publisher.open(client)
            publisher.set_sync(publisher.connections, is_lazy=False)  # whatever it is: the control's is
            deadline = time.monotonic() + PUBLISH_SECONDS
            await asyncio.gather(*(publish_until(deadline, publisher, acked) for _ in range(PUBLISHERS)))
            process.kill()
            # Sparse and without syncing: the copy must not give the kernel time to write its pages back.
            subprocess.run(["cp", "--sparse=always", str(image), str(crashed)], check=True)  # noqa: ASYNC221
            process.wait()
            await client.close()
    return acked, crashed


async def survivors(crashed: Path, tmp_path: Path) -> set[str]:
    """The lines a queue finds that starts on the crashed disk."""
    with mounted(crashed, tmp_path / "crashed") as folder:
        nats = queue_on(folder, sync_interval="always")
        with running(nats.part(), tmp_path / "logs"):
            await make_streams(nats)  # where the cut took the streams themselves, as the next start would
            return {line.decode() for line in await messages(nats, SUBJECT)}


async def test_a_power_cut_loses_nothing_that_was_acknowledged(disk_image: Path, tmp_path: Path) -> None:
    acked, crashed = await cut_power(disk_image, tmp_path, "always")
    assert acked
    assert acked <= await survivors(crashed, tmp_path)


async def test_the_queues_default_loses_acknowledged_events_in_a_power_cut(disk_image: Path, tmp_path: Path) -> None:
    acked, crashed = await cut_power(disk_image, tmp_path, "2m")
    assert acked - await survivors(crashed, tmp_path), "the control lost nothing, so the test above proves nothing"

"""The internals of uvicorn that `ingest_api.server` uses, which can change between minor versions."""

import asyncio
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState
from uvicorn.supervisors import multiprocess

REQUIREMENTS = Path(__file__).parents[4] / "requirements" / "base.in"


def test_uvicorn_is_pinned_to_the_minor_version_that_is_installed() -> None:
    pinned = re.search(r"^uvicorn\[standard\]==(\d+\.\d+)\.\*", REQUIREMENTS.read_text(), re.MULTILINE)
    assert pinned is not None
    assert version("uvicorn").startswith(f"{pinned[1]}.")


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        pytest.param(
            HttpToolsProtocol,
            "connection_made connection_lost data_received on_message_begin on_url on_header on_headers_complete "
            "on_body on_message_complete on_response_complete shutdown _unsupported_upgrade_warning",
            id="the methods that are overridden or called",
        ),
        pytest.param(FlowControl, "pause_reading resume_writing", id="flow control"),
        pytest.param(
            multiprocess.Multiprocess,
            "keep_subprocess_alive terminate_all join_all run",
            id="the supervisor's methods",
        ),
        pytest.param(multiprocess.Process, "start join kill exitcode pid", id="a worker's methods"),
    ],
)
def test_the_classes_have_the_methods_that_are_used(owner: type, names: str) -> None:
    assert [name for name in names.split() if not hasattr(owner, name)] == []


async def test_a_protocol_has_the_state_that_is_used() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    config = uvicorn.Config(application, ws="none", lifespan="off", interface="asgi3", proxy_headers=False)
    protocol = HttpToolsProtocol(config=config, server_state=ServerState(), app_state={})
    transport = Transport()
    protocol.connection_made(transport)
    assert protocol.cycle is None
    protocol.data_received(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\na")
    assert (protocol.app, protocol.url, protocol.headers) == (application, b"/", protocol.scope["headers"])
    assert (protocol.transport, protocol.loop) == (transport, asyncio.get_running_loop())
    assert (protocol.client, protocol.expect_100_continue) == (None, False)
    assert (protocol.flow.write_paused, protocol.server_state.default_headers) == (False, [])
    cycle = protocol.cycle
    assert isinstance(cycle, RequestResponseCycle)
    assert (cycle.response_complete, cycle.more_body, cycle.keep_alive) == (False, False, True)
    assert httptools_impl.STATUS_LINE[202] == b"HTTP/1.1 202 Accepted\r\n"
    protocol.connection_lost(None)
    await asyncio.gather(*protocol.tasks)


class Transport(asyncio.Transport):
    """A transport without a socket."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Nothing is sent."""

    def close(self) -> None:
        """Nothing is open."""

    def resume_reading(self) -> None:
        """Nothing is read."""


def test_a_supervisor_and_its_workers_have_the_state_that_is_used() -> None:
    config = uvicorn.Config("tests.bench.noop:app", workers=2)
    supervisor = multiprocess.Multiprocess(config, [])
    assert (supervisor.config, supervisor.sockets) == (config, [])
    assert (supervisor.processes, supervisor.signal_queue) == ([], [])
    assert not supervisor.should_exit.is_set()
    worker = multiprocess.Process(config, [])
    assert {"process", "parent_conn", "child_conn"} <= vars(worker).keys()
    assert config.timeout_worker_healthcheck > 0

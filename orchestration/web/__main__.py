"""Dagster's web server behind our gate: `python -m orchestration.web --host 127.0.0.1 --port 8702`.

One process: Dagster's application is never served without the gate around it, so there is no second address to guard.
What it reads is Dagster's configuration in the data directory and the addresses of the settings; no secret is needed.
"""

import argparse
import logging

import uvicorn
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__
from starlette.requests import HTTPConnection

from echolead.settings import Settings, load_settings
from echolead.signed_in import WhoIs
from orchestration import instance
from orchestration.web.gate import MAY_ACT, Gate
from orchestration.web.operations import MAX_REQUEST_BYTES
from orchestration.web.site import Site

STATEMENT_MILLISECONDS = 15_000
CONNECTION_SECONDS = 3600
MORE_CONNECTIONS = 20
POLL_MILLISECONDS = 2000


class Workspace(WorkspaceProcessContext):
    """Dagster's workspace, which is read-only for every request but those that came through the gate as an operator's.

    Dagster's own pages ask for these permissions, and show no button that would be refused.
    """

    def create_request_context(self, source: object | None = None) -> WorkspaceRequestContext:
        """The workspace as the sender of `source`, an HTTP request or socket, may use it."""
        may_act = isinstance(source, HTTPConnection) and source.scope.get(MAY_ACT) is True
        return WorkspaceRequestContext(
            instance=self.instance,
            current_workspace=self.get_current_workspace(),
            process_context=self,
            version=self.version,
            source=source,
            read_only=not may_act,
        )


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve until a signal ends it."""
    site = Site(settings.dagster_url, port, f"{settings.collector_url.rstrip('/')}/login")
    with DagsterInstance.from_config(str(settings.dagster_home)) as dagster:
        dagster.optimize_for_webserver(STATEMENT_MILLISECONDS, CONNECTION_SECONDS, MORE_CONNECTIONS)
        target = WorkspaceFileTarget([str(instance.workspace_file(settings))])
        with Workspace(dagster, target, version=__version__, code_server_log_level="warning") as workspace:
            pages = create_app_from_workspace_process_context(workspace, site.prefix, POLL_MILLISECONDS)
            uvicorn.run(
                Gate(pages, WhoIs.of(settings), site),
                host=host,
                port=port,
                log_level="warning",
                proxy_headers=False,
                server_header=False,
                ws_max_size=MAX_REQUEST_BYTES,
                timeout_graceful_shutdown=3,  # open sockets would hold it up
            )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    arguments = argparse.ArgumentParser(prog="python -m orchestration.web", description=__doc__)
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=8702)
    given = arguments.parse_args()
    serve(load_settings(), given.host, given.port)

"""uvicorn's workers, with two changes: one that dies is missed at once, and leaves no share in the gauges."""

from prometheus_client.multiprocess import mark_process_dead
from uvicorn.supervisors import multiprocess


class Worker(multiprocess.Process):
    """A worker whose end of the pipe is open in nobody but itself.

    uvicorn's supervisor asks each worker in turn whether it lives and waits for the answer. Its own copy of the
    worker's end keeps the pipe open, so that for one that dies before it answers (while it starts, or just then) it
    waits the whole `timeout_worker_healthcheck`, and meanwhile replaces nobody and hears no SIGTERM.
    """

    def start(self) -> None:
        """Start the worker, which has inherited its end."""
        super().start()
        self.child_conn.close()

    def join(self) -> None:
        """Wait for its end; what it shared of gauges counts no more."""
        super().join()
        mark_process_dead(self.pid)  # type: ignore[no-untyped-call]  # the package has no types


def install() -> None:
    """Have the supervisor start these; it takes the class from its module and from nowhere else."""
    multiprocess.Process = Worker  # type: ignore[misc]  # a type is replaced

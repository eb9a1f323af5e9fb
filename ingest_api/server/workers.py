"""uvicorn's supervisor of several workers: one that dies is missed at once, and one that hangs keeps nobody waiting."""

import logging
from time import monotonic

import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

LOOK_SECONDS = 0.1

log = logging.getLogger(__name__)


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


class WorkerSupervisor(multiprocess.Multiprocess):
    """Hears a signal while it waits for a worker's answer, and ends within `stop_seconds` of SIGTERM.

    uvicorn's own waits up to `timeout_worker_healthcheck` before it looks at its signals, and for ever for a worker
    that was told to end and does not: a single one that is suspended or starved holds up a whole deployment.
    """

    def __init__(self, config: uvicorn.Config, stop_seconds: float) -> None:
        multiprocess.Process = Worker  # type: ignore[misc]  # it takes the class from there and from nowhere else
        super().__init__(config, [config.bind_socket()])
        self._stop_seconds = stop_seconds

    def keep_subprocess_alive(self) -> None:
        """Replace each worker that is dead or does not answer in time."""
        for place, worker in enumerate(self.processes):
            if worker.process.is_alive() and self._answers(worker):
                continue
            if self._is_wanted():
                return
            worker.kill()
            worker.join()
            if worker.exitcode == STARTUP_FAILURE:
                log.error("worker %s could not start; the others would not either", worker.pid)
                self.should_exit.set()
                return
            log.warning("worker %s died or hung; another one takes its place", worker.pid)
            self.processes[place] = Worker(self.config, self.sockets)
            self.processes[place].start()

    def _answers(self, worker: multiprocess.Process) -> bool:
        """Whether it answers in time; false also when something else came first."""
        deadline = monotonic() + self.config.timeout_worker_healthcheck
        try:
            worker.parent_conn.send(b"ping")
            while monotonic() < deadline and not self._is_wanted():
                if worker.parent_conn.poll(LOOK_SECONDS):
                    worker.parent_conn.recv()
                    return True
        except (OSError, EOFError):
            pass  # its end of the pipe is closed: it is dead
        return False

    def _is_wanted(self) -> bool:
        """Whether a signal waits, or the end has been decided."""
        return bool(self.signal_queue) or self.should_exit.is_set()

    def terminate_all(self) -> None:
        """Tell all to end. Our copy of the port goes first, or connections would wait in it for nobody."""
        for each in self.sockets:
            each.close()
        super().terminate_all()

    def join_all(self) -> None:
        """Wait until all have ended, and make those end that have not in time."""
        deadline = monotonic() + self._stop_seconds
        for worker in self.processes:
            worker.process.join(max(0.0, deadline - monotonic()))
            if worker.process.exitcode is None:
                log.error("worker %s did not end in %.0f s and is killed", worker.pid, self._stop_seconds)
                worker.process.kill()
            worker.join()

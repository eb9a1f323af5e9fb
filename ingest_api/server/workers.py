"""uvicorn's supervisor of several workers: it replaces a dead worker at once and does not wait for a hung one."""

import logging
from time import monotonic

import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

LOOK_SECONDS = 0.1

log = logging.getLogger(__name__)


class Worker(multiprocess.Process):
    """A worker whose end of the pipe is open in that worker only.

    uvicorn's supervisor asks one worker after the other whether it lives, and waits for the answer. Its own copy of the
    worker's end keeps the pipe open. If a worker dies before it answers, the supervisor waits for the whole
    `timeout_worker_healthcheck`. Meanwhile it replaces no worker and handles no SIGTERM.
    """

    def start(self) -> None:
        """Start the worker, which inherits its end of the pipe."""
        super().start()
        self.child_conn.close()

    def join(self) -> None:
        """Wait until the worker has ended, and remove its gauges."""
        super().join()
        mark_process_dead(self.pid)  # type: ignore[no-untyped-call]  # the package has no types


class WorkerSupervisor(multiprocess.Multiprocess):
    """Handles a signal while it waits for a worker's answer, and ends within `stop_seconds` of SIGTERM.

    uvicorn's supervisor waits up to `timeout_worker_healthcheck` before it handles a signal. It waits for ever for a
    worker that does not end: a single suspended worker would hold up a whole deployment.
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
            if self._must_stop_waiting():
                return
            worker.kill()
            worker.join()
            if worker.exitcode == STARTUP_FAILURE:
                log.error("worker %s could not start; other workers would not start either", worker.pid)
                self.should_exit.set()
                return
            log.warning("worker %s died or hung; another one takes its place", worker.pid)
            self.processes[place] = Worker(self.config, self.sockets)
            self.processes[place].start()

    def _answers(self, worker: multiprocess.Process) -> bool:
        """Whether the worker answers in time; false also if a signal arrives first."""
        deadline = monotonic() + self.config.timeout_worker_healthcheck
        try:
            worker.parent_conn.send(b"ping")
            while monotonic() < deadline and not self._must_stop_waiting():
                if worker.parent_conn.poll(LOOK_SECONDS):
                    worker.parent_conn.recv()
                    return True
        except (OSError, EOFError):
            pass  # its end of the pipe is closed: the worker is dead
        return False

    def _must_stop_waiting(self) -> bool:
        """Whether a signal has arrived or the supervisor ends."""
        return bool(self.signal_queue) or self.should_exit.is_set()

    def terminate_all(self) -> None:
        """Ask all workers to end. Close our copy of the port first: new connections would wait in it unanswered."""
        for each in self.sockets:
            each.close()
        super().terminate_all()

    def join_all(self) -> None:
        """Wait until all workers have ended, and kill those that have not ended in time."""
        deadline = monotonic() + self._stop_seconds
        for worker in self.processes:
            worker.process.join(max(0.0, deadline - monotonic()))
            if worker.process.exitcode is None:
                log.error("worker %s did not end in %.0f s and is killed", worker.pid, self._stop_seconds)
                worker.process.kill()
            worker.join()

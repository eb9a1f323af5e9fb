"""How long a live run goes on, and what it logs of its turns."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pytest

from dlt_pipelines.collector.loader import Load
from orchestration.live import job
from orchestration.live.job import Reporter, Term, has_successor


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(job, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("seconds", "has_successor", "is_over"),
    [
        pytest.param(99, True, False, id="its time is not over"),
        pytest.param(101, True, True, id="its time is over and a successor has started"),
        pytest.param(101, False, False, id="nobody would go on"),
        pytest.param(201, False, True, id="twice its time is the end"),
    ],
)
def test_a_run_ends_when_its_time_is_over_and_somebody_goes_on(
    clock: Clock, seconds: float, has_successor: bool, is_over: bool
) -> None:
    term = Term(100, lambda: has_successor)
    clock.now += seconds
    assert term.is_over() is is_over


def test_a_run_is_not_its_own_successor_and_only_one_that_has_started_is() -> None:
    with dg.DagsterInstance.ephemeral() as instance:

        def start(status: dg.DagsterRunStatus) -> str:
            return instance.create_run_for_job(job.live_job, status=status).run_id

        own = start(dg.DagsterRunStatus.STARTED)
        start(dg.DagsterRunStatus.STARTING)
        start(dg.DagsterRunStatus.FAILURE)
        assert not has_successor(instance, own)
        other = start(dg.DagsterRunStatus.STARTED)
        assert has_successor(instance, own)
        assert has_successor(instance, other)


@dataclass
class Model:
    key: tuple[str, str]
    seconds: float


@dataclass
class Done:
    """A turn, as the reporter sees it."""

    load: Load = field(default_factory=Load)
    mirrored: dict[str, int] = field(default_factory=dict)
    models: list[Model] = field(default_factory=list)
    deliveries: None = None
    failing: set[str] | None = None

    def __bool__(self) -> bool:
        return bool(self.load.messages or self.models)


class Background(Executor):
    """Does what is submitted at once, or when `do` is called while it is `busy`."""

    def __init__(self) -> None:
        self.is_busy = False
        self._waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        self._waiting.append((Future(), lambda: work(*arguments, **named)))
        future = self._waiting[-1][0]
        if not self.is_busy:
            self.do()
        return future

    def do(self) -> None:
        for future, work in self._waiting:
            future.set_result(work())
        self._waiting.clear()


def test_turns_that_follow_each_other_are_logged_together_and_before_a_pause(clock: Clock) -> None:
    logged: list[dg.AssetMaterialization] = []
    reporter = Reporter(logged.append, Background())
    busy = Done(Load(events=2, messages=1), models=[Model(("marts", "leads"), 0.25)])

    reporter.turn(busy)
    reporter.turn(busy)
    assert logged == []
    reporter.turn(Done())

    rows = {each.asset_key.to_user_string(): {name: value.value for name, value in each.metadata.items()}
            for each in logged}  # fmt: skip
    assert rows == {
        "raw/events": {"dagster/partition_row_count": 4},
        "marts/leads": {"seconds": 0.5},
    }
    reporter.turn(Done())
    assert len(logged) == 2


def test_a_steady_stream_of_turns_is_logged_every_few_seconds(clock: Clock) -> None:
    logged: list[dg.AssetMaterialization] = []
    reporter = Reporter(logged.append, Background())
    for _ in range(12):
        clock.now += 1
        reporter.turn(Done(Load(events=1, messages=1)))
    events = [each for each in logged if each.asset_key == dg.AssetKey(["raw", "events"])]
    assert len(events) == 2


def test_steps_that_begin_and_cease_to_fail_are_told_at_once_as_a_check(clock: Clock) -> None:
    logged: list[dg.AssetCheckEvaluation] = []
    reporter = Reporter(logged.append, Background())  # type: ignore[arg-type]  # nothing else is logged here
    for failing in ({"model marts.leads", "delivering"}, None, set[str]()):
        reporter.turn(Done(failing=failing))
    assert [(each.check_name, each.passed) for each in logged] == [
        ("every_step_succeeds", False),
        ("every_step_succeeds", True),
    ]
    assert logged[0].metadata["failing"].value == ["delivering", "model marts.leads"]


def test_what_comes_while_events_are_written_is_collected_for_the_next_time(clock: Clock) -> None:
    logged: list[dg.AssetMaterialization] = []
    background = Background()
    background.is_busy = True
    reporter = Reporter(logged.append, background)  # type: ignore[arg-type]  # nothing else is logged here
    busy = Done(Load(events=2, messages=1))

    for _ in range(3):
        reporter.turn(busy)
        reporter.turn(Done())
    background.do()
    assert [each.metadata["dagster/partition_row_count"].value for each in logged] == [2]
    reporter.close()
    background.do()
    assert [each.metadata["dagster/partition_row_count"].value for each in logged] == [2, 4]


def test_a_dagster_that_takes_no_event_stops_no_turn(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(_: object) -> None:
        raise OSError("connection refused")

    reporter = Reporter(refuse, Background())
    reporter.turn(Done(Load(events=2, messages=1)))
    reporter.turn(Done())
    assert "connection refused" in caplog.text


def test_what_is_collected_at_the_end_is_logged_after_what_is_still_being_written(clock: Clock) -> None:
    logged: list[dg.AssetMaterialization] = []
    is_at_end = threading.Event()

    def log(event: dg.AssetMaterialization) -> None:
        is_at_end.wait(10)
        logged.append(event)

    with ThreadPoolExecutor(1) as background:
        reporter = Reporter(log, background)  # type: ignore[arg-type]  # nothing else is logged here
        for _ in range(2):
            reporter.turn(Done(Load(events=2, messages=1)))
            reporter.turn(Done())
        threading.Timer(0.1, is_at_end.set).start()
        reporter.close()
    assert [each.metadata["dagster/partition_row_count"].value for each in logged] == [2, 2]

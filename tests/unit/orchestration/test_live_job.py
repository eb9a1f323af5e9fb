"""How long a live run goes on, and what it logs of its turns."""

from dataclasses import dataclass, field

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


def test_turns_that_follow_each_other_are_logged_together_and_before_a_pause(clock: Clock) -> None:
    logged: list[dg.AssetMaterialization] = []
    reporter = Reporter(logged.append)
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
    reporter = Reporter(logged.append)
    for _ in range(12):
        clock.now += 1
        reporter.turn(Done(Load(events=1, messages=1)))
    events = [each for each in logged if each.asset_key == dg.AssetKey(["raw", "events"])]
    assert len(events) == 2


def test_steps_that_begin_and_cease_to_fail_are_told_at_once_as_a_check(clock: Clock) -> None:
    logged: list[dg.AssetCheckEvaluation] = []
    reporter = Reporter(logged.append)  # type: ignore[arg-type]  # nothing else is logged here
    for failing in ({"model marts.leads", "delivering"}, None, set[str]()):
        reporter.turn(Done(failing=failing))
    assert [(each.check_name, each.passed) for each in logged] == [
        ("every_step_succeeds", False),
        ("every_step_succeeds", True),
    ]
    assert logged[0].metadata["failing"].value == ["delivering", "model marts.leads"]

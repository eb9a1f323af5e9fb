"""One turn after the other: load events, mirror configuration, compute what is new, deliver, mirror the ledger."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

from dlt_pipelines.collector.loader import EventLoader, Load
from dlt_pipelines.lease import Lease
from dlt_pipelines.operational.changes import MAX_ROWS
from dlt_pipelines.operational.mirror import mirror_configuration, mirror_ledger
from echolead.operational.live_steps import StepRecord
from echolead.operational.warehouse_requests import Progress, RequestRecord
from echolead.settings import Settings
from orchestration.dbt.beside import models_version
from orchestration.dbt.project import TURN_LEASE
from orchestration.dbt.runner import Dbt, NodeFailure, NodeRun
from orchestration.live.blame import Blame
from orchestration.live.campaign_turns import CampaignTurns
from orchestration.live.chat_turns import ChatTurns
from orchestration.live.code_joins import CodeJoins
from orchestration.live.conversation_turns import ConversationTurns
from orchestration.live.deal_turns import DealTurns
from orchestration.live.erasing import ErasureFollower
from orchestration.live.following import Follower
from orchestration.live.lake_copy import LakeFollower
from orchestration.live.queue_again import QueueFollower
from orchestration.live.steps import MODEL_STEP, Steps
from orchestration.live.warehouse_turns import WarehouseTurns
from orchestration.live.watermarks import WatermarkReader, Watermarks
from reverse_etl.engine import Deliveries, DeliveryEngine
from reverse_etl.lane import Policy

WAIT_SECONDS = 2.0
"""How long an idle turn waits for an event; also how late a change of the configuration is noticed."""

LANES_SECONDS = 0.2
"""The same while deliveries are under way, so that what became of them is seen soon."""

CLOCK_SECONDS = 30.0
"""How often the warehouse is asked for leads that the clock alone has made due."""

# The names of the steps, as `doctor` and the health page show them. A model is a step of its own: `model marts.leads`.
LOAD, WATERMARKS, CONFIGURATION = "loading events", "reading what changed", "mirroring the configuration"
COMPUTE = "computing what is new"
CHATS = "computing conversations"
WANTED = "computing what conversations should have"
CODES = "joining conversations with the links that led to them"
DEALS = "computing deals"
CAMPAIGNS = "computing campaigns"
REQUESTS = "noting what was computed again"
DELIVER, LEDGER = "delivering", "mirroring the ledger"
LAKE = "copying to the lake"
ERASURES = "erasing people"
QUEUE = "replaying from the queue"

PAUSE_LEASE = "pause of the live path"
"""Whoever holds it lets the live run end, and the next one begin when it is free."""

CHAT_SECONDS = 5.0
"""How often is looked for what a pull has brought. A webhook is looked at in the turn that loads it."""

CAMPAIGN_SECONDS, LONGEST_CAMPAIGN_SECONDS = 300.0, 900.0
"""How often campaigns are computed: while no event comes, and at the latest. Leads that come then wait for seconds."""

WITHOUT_WAITING = Policy(patience_seconds=0)
"""Deliveries go on beside the turns: an event that comes meanwhile waits for none of them."""

LEDGER_SECONDS = 5.0
"""How long the ledger's mirror, for which only readers wait, stays behind while messages come or lanes are at work."""

MAX_TRIES = 3
"""Tries of a piece of a request. After the last one the request has failed, until an operator resumes it."""


@dataclass
class Turn:
    """What one turn did. Empty when nothing had happened."""

    load: Load = field(default_factory=Load)
    mirrored: dict[str, int] = field(default_factory=dict)  # rows by table of raw
    models: list[NodeRun] = field(default_factory=list)
    deliveries: Deliveries | None = None
    seconds: float = 0.0  # without the waiting for an event
    failing: set[str] | None = None  # the steps that fail, when they are others than before

    def __bool__(self) -> bool:
        return bool(self.load.messages or self.mirrored or self.models or self.failing is not None)


class LiveLoop:
    """The steps with what they keep between turns. Entering waits for the lease of the single loader."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Before the lease: a successor parses while the run before it still loads.
        self._dbt = Dbt(settings)
        self._models_version = models_version(settings, self._dbt)
        self._is_behind = True  # events may have been loaded while no live run was active
        self._looked_at_clock = float("-inf")
        self._failing: dict[str, NodeFailure] = {}
        self._to_note: set[str] = set()
        self._tries: Counter[str] = Counter()  # of the pieces that failed, by their requests
        self._has_chats = True  # as with events
        self._chats_looked_at = 0.0
        self._has_news_of_conversations = True
        self._has_joins = True
        self._has_deals = True
        self._campaigns_computed_at = time.monotonic()
        self._mirrored: tuple[str | None, str | None, str | None] | None = None
        self._ledger: tuple[str | None, str | None] | None = None
        self._ledger_mirrored_at = time.monotonic()
        self._open = ExitStack()

    def __enter__(self) -> "LiveLoop":
        with ExitStack() as opening:
            self._loader = opening.enter_context(EventLoader(self._settings))
            self._turns = opening.enter_context(WarehouseTurns(self._settings, self._dbt, self._start_delivering))
            self._chats = opening.enter_context(ChatTurns(self._settings, self._dbt))
            self._conversations = opening.enter_context(ConversationTurns(self._settings, self._dbt))
            self._deals = opening.enter_context(DealTurns(self._settings, self._dbt))
            self._campaigns = opening.enter_context(CampaignTurns(self._settings, self._dbt))
            self._joins = opening.enter_context(closing(CodeJoins(self._settings)))
            self._engine = opening.enter_context(DeliveryEngine(self._settings, WITHOUT_WAITING))
            self._lake = opening.enter_context(closing(LakeFollower(self._settings)))
            self._erasures = opening.enter_context(closing(ErasureFollower(self._settings)))
            self._queue = opening.enter_context(closing(QueueFollower(self._settings)))
            self._watermarks = opening.enter_context(closing(WatermarkReader(self._settings)))
            self._requests = opening.enter_context(
                closing(RequestRecord(self._settings.postgres_loader_url.get_secret_value()))
            )
            record = opening.enter_context(closing(StepRecord(self._settings.postgres_loader_url.get_secret_value())))
            self._steps = Steps(record, {model_step(key) for key in self._dbt.models()})
            self._blame = Blame(self._settings, self._models_version)
            self._blame.release_others()
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def turn(self) -> Turn:
        """Do what there is to do, or wait `WAIT_SECONDS` for an event. Raises `LeaseLost`; other errors are steps'."""
        turn = Turn()
        if not self._steps.run(LOAD, lambda: self._load(turn)):
            time.sleep(WAIT_SECONDS / 4)  # a queue that does not answer must not make the turns spin
        started = time.monotonic()
        self._queue.start_if_due()
        if self._queue.has_ended:
            self._steps.run(QUEUE, lambda: self._add_from_queue(turn))
        marks = self._read_watermarks()
        if marks is not None and (
            self._blame.is_ahead or (marks.configuration, marks.failures, marks.requests) != self._mirrored
        ):
            self._steps.run(CONFIGURATION, lambda: self._mirror_configuration(turn, marks))
        self._look_at_clock()
        if self._has_deals:
            self._steps.run(DEALS, lambda: self._compute_deals(turn))
        if turn.load.events or self._is_due():
            self._steps.run(COMPUTE, lambda: self._compute(turn))
        self._follow_chats(turn, started)
        if self._to_note:
            self._steps.run(REQUESTS, self._note)
        is_delivery_due = marks is not None and marks.is_delivery_due
        if turn.models or self._engine.is_behind or self._engine.is_at_work or is_delivery_due:
            self._steps.run(DELIVER, lambda: self._deliver(turn))
        is_quiet = not turn.load.messages and not self._engine.is_at_work
        if is_quiet or time.monotonic() > self._ledger_mirrored_at + LEDGER_SECONDS:
            self._steps.run(LEDGER, lambda: self._mirror_ledger(turn))
            self._ledger_mirrored_at = time.monotonic()
        self._follow(LAKE, self._lake)
        self._follow(ERASURES, self._erasures)
        if self._are_campaigns_due(turn):
            self._steps.run(CAMPAIGNS, lambda: self._compute_campaigns(turn))
        self._steps.beat()
        if self._steps.pop_change():
            turn.failing = self._steps.failing()
        turn.seconds = time.monotonic() - started
        return turn

    def _follow(self, step: str, follower: Follower[Any]) -> None:
        follower.start_if_due()
        if follower.has_ended:
            self._steps.run(step, follower.take)

    def _load(self, turn: Turn) -> None:
        wait = LANES_SECONDS if self._engine.is_at_work or self._queue.is_at_work else WAIT_SECONDS
        self._take_in(turn, self._loader.load_once(0.0 if self._is_due() else wait))

    def _add_from_queue(self, turn: Turn) -> None:
        self._take_in(turn, self._queue.add_to(self._loader))

    def _take_in(self, turn: Turn, load: Load) -> None:
        turn.load += load
        self._is_behind |= load.events > 0
        self._has_chats |= load.chatwoot_events > 0

    def _read_watermarks(self) -> Watermarks | None:
        found: list[Watermarks] = []
        self._steps.run(WATERMARKS, lambda: found.append(self._watermarks.read()))
        return found[0] if found else None

    def _mirror_configuration(self, turn: Turn, marks: Watermarks) -> None:
        quarantined = self._blame.quarantined
        turn.mirrored |= _changed(mirror_configuration(self._settings))
        if self._mirrored is None or self._mirrored[0] != marks.configuration:
            self._turns.forget_compiled()
            self._conversations.forget_compiled()
            self._deals.forget_compiled()
            self._campaigns.forget_compiled()
            with Lease(self._settings.postgres_loader_url.get_secret_value(), TURN_LEASE):
                self._chats.know_time_zones()
        if self._mirrored is None:  # an earlier run may not have come to write down what its last turn did
            self._to_note |= self._requests.unfinished()
        if self._mirrored is None or (self._mirrored[0], self._mirrored[2]) != (marks.configuration, marks.requests):
            self._is_behind = True
        self._mirrored = (marks.configuration, marks.failures, marks.requests)
        for request_id in self._blame.mirrored(quarantined):
            self._tries.pop(request_id, None)

    def _look_at_clock(self) -> None:
        if time.monotonic() - self._looked_at_clock >= CLOCK_SECONDS:
            self._looked_at_clock = time.monotonic()
            self._is_behind = self._has_deals = self._has_news_of_conversations = True

    def _deliver(self, turn: Turn) -> None:
        turn.deliveries = self._engine.run_once()

    def _start_delivering(self) -> None:
        self._steps.run(DELIVER, self._engine.start)

    def _is_due(self) -> bool:
        """Whether there is something to compute that does not wait for the next try of what failed."""
        return self._is_behind and all(self._steps.is_due(name) for name in (COMPUTE, *self._failing))

    def _mirror_ledger(self, turn: Turn) -> None:
        """The models over the ledger are views, so that its rows are all the console needs."""
        ledger = self._watermarks.read().ledger
        if ledger == self._ledger:
            return
        mirrored = _changed(mirror_ledger(self._settings))
        turn.mirrored |= mirrored
        if max(mirrored.values(), default=0) < MAX_ROWS:
            self._ledger = ledger

    def _compute(self, turn: Turn) -> None:
        with Lease(self._settings.postgres_loader_url.get_secret_value(), TURN_LEASE):
            done = self._turns.run()
        turn.models += done.models
        self._is_behind = not done.is_done or done.open_requests > 0 or done.due_leads > 0
        if done.request is not None:
            self._worked(done.request, done.failed)
        for run in done.models:
            self._failing.pop(model_step(run.key), None)
            self._steps.succeeded(model_step(run.key))
        for failure in done.failed:
            name = model_step(failure.key)
            self._failing[name] = failure
            self._steps.failed(name, failure.message)
            self._blame.look_for(name, failure, done.request.request_id if done.request else "")

    def _follow_chats(self, turn: Turn, started: float) -> None:
        """Compute what is new of chats, then whose they are, and join those that a link led to."""
        if self._has_chats or started > self._chats_looked_at + CHAT_SECONDS:
            self._steps.run(CHATS, lambda: self._compute_chats(turn))
        self._has_news_of_conversations |= bool(turn.models)
        if self._has_news_of_conversations:
            self._steps.run(WANTED, lambda: self._compute_conversations(turn))
        if self._has_joins:
            self._steps.run(CODES, lambda: self._join_codes(turn))

    def _compute_chats(self, turn: Turn) -> None:
        with Lease(self._settings.postgres_loader_url.get_secret_value(), TURN_LEASE):
            done = self._chats.run()
        turn.models += done.models
        self._has_chats = bool(done)
        self._chats_looked_at = time.monotonic()

    def _compute_conversations(self, turn: Turn) -> None:
        with Lease(self._settings.postgres_loader_url.get_secret_value(), TURN_LEASE):
            done = self._conversations.run()
        turn.models += done.models
        self._has_news_of_conversations = bool(done)
        # Leads follow their conversations, and these what became of their leads.
        self._is_behind |= done.rows_written.get("conversation_leads", 0) > 0
        self._has_joins |= done.rows_written.get("code_joins", 0) > 0

    def _join_codes(self, turn: Turn) -> None:
        """Add to raw what the next turn over events makes of visitors whose codes came back."""
        self._take_in(turn, self._joins.add_to(self._loader))
        self._has_joins = False

    def _compute_deals(self, turn: Turn) -> None:
        with Lease(self._settings.postgres_loader_url.get_secret_value(), TURN_LEASE):
            done = self._deals.run()
        turn.models += done.models
        self._has_deals = False
        self._is_behind |= done.rows_written.get("lead_deals", 0) > 0

    def _are_campaigns_due(self, turn: Turn) -> bool:
        seconds = time.monotonic() - self._campaigns_computed_at
        return seconds > LONGEST_CAMPAIGN_SECONDS or (seconds > CAMPAIGN_SECONDS and not turn)

    def _compute_campaigns(self, turn: Turn) -> None:
        self._campaigns_computed_at = time.monotonic()  # also of a turn that fails
        with Lease(self._settings.postgres_loader_url.get_secret_value(), TURN_LEASE):
            turn.models += self._campaigns.run().models

    def _worked(self, request: Progress, failed: Sequence[NodeFailure]) -> None:
        if not failed:
            self._to_note.add(request.request_id)
            self._tries.pop(request.request_id, None)
            return
        self._tries[request.request_id] += 1
        if self._tries[request.request_id] >= MAX_TRIES:
            said = "; ".join(f"{failure.key[1]}: {failure.message}" for failure in failed)
            if self._steps.run(REQUESTS, lambda: self._requests.failed(request, said)):
                self._tries.pop(request.request_id)

    def _note(self) -> None:
        """Write down how far requests have come. The warehouse knows it, so that it may be done late."""
        for request_id in sorted(self._to_note):
            progress = self._turns.progress(request_id)
            if progress is not None:
                self._requests.worked(progress)
            else:
                self._requests.forget(request_id)
            self._to_note.discard(request_id)


def model_step(key: Iterable[str]) -> str:
    """The name of a model's step."""
    return MODEL_STEP + ".".join(key)


def run_loop(settings: Settings, is_over: Callable[[], bool], report: Callable[[Turn], None]) -> None:
    """Turn until `is_over()`, telling each turn to `report`. Raises `LeaseLost`: another may be at work."""
    with LiveLoop(settings) as loop:
        while not is_over():
            report(loop.turn())


def _changed(rows: dict[str, int]) -> dict[str, int]:
    return {table: count for table, count in rows.items() if count}

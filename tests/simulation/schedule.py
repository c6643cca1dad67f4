"""
The simulation host: a seeded scheduler that hands out turns, batches, watermarks, kills and commands as it likes.

What the data records are must not depend on any of it.
"""

import random
from typing import Any

from streams.domain.parameters import SessionSettings
from streams.domain.records import Command, CommandKind, JournalEntry
from streams.exchange.writer import FeedSource
from streams.log.batch import NO_DIGEST, chained, record_check
from streams.log.codec import Codec
from streams.log.held import WorkerLimits
from streams.log.interface import Partition, watermark_headers
from streams.log.journal import entry_digest
from streams.log.layout import FEED_TOPICS, Layout
from streams.log.memory import MemoryLog
from streams.log.worker import Worker
from streams.operate.topics import create_session
from streams.replay.verification.verify import verify
from streams.stages.contract import StageFactory
from streams.stages.execution import ExecutionStage
from streams.stages.risk import RiskStage
from streams.stages.signals import SignalsStage
from streams.stages.state import encode_state
from tests.simulation.market import Written

STAGES: tuple[StageFactory, ...] = (SignalsStage, RiskStage, ExecutionStage)
TAIL = 10_000_000


class Simulation:
    """A session on a memory log whose every freedom is drawn from `rng`."""

    def __init__(
        self, settings: SessionSettings, market: list[Written], rng: random.Random, *, workers: int = 1,
        stages: tuple[StageFactory, ...] = STAGES,
    ) -> None:
        self.stages = stages
        self.settings, self.market, self.rng, self.workers_each = settings, market, rng, workers
        self.layout = Layout.of(settings)
        self.codec = Codec.offline()
        self.log = MemoryLog()
        create_session(self.log, settings.session, feeds=settings.partitions, risk=settings.risk_tasks)
        self.feed = self.log.writer("feed")
        self.feed_entries = 0
        self.feed_count, self.feed_digest, self.feed_previous = 0, NO_DIGEST, NO_DIGEST
        self.place = 0
        self.ended = False
        self.kills = 0
        self.commands = 0
        self.overfull: list[tuple[int, int]] = []  # queue length beyond what its limits allow
        self.workers: dict[tuple[int, int], Worker] = {}
        for stage in range(len(stages)):
            for slot in range(workers):
                self._start(stage, slot)

    def _start(self, stage: int, slot: int) -> None:
        rng = self.rng
        limits = WorkerLimits(
            messages_max=rng.choice((1, 7, 100)), events_max=rng.choice((1, 5, 200)), queue_max=rng.choice((20, 400)),
            wait_s=0.0, journal_idle_s=rng.choice((0.0, 1e9)), promise_s=0.0, promise_idle_s=0.0,
        )  # fmt: skip
        self.workers[stage, slot] = Worker(
            self.log, self.stages[stage], self.settings, self.codec, slot=str(slot), code_version="test", limits=limits
        )

    def feed_turn(self, count: int) -> None:
        """The next `count` market records in one transaction, with a watermark or without, wherever it may lie."""
        rows = self.market[self.place : self.place + count]
        self.place += len(rows)
        self.feed.begin()
        checks: dict[str, bytes] = {}
        for topic, key, record in rows:
            symbol, value = key.partition("@")[0], self.codec.wire(record)
            partition = self.layout.at(topic, self.settings.symbol_task(symbol))
            self.feed.append(partition, key=key.encode(), value=value, time=record.time)
            place = self.layout.short(partition)
            checks[place] = checks.get(place, b"") + record_check(key.encode(), value)
            self.feed_digest = chained(self.feed_digest, topic, key, value)
        self.feed_count += len(rows)
        at_end = self.place >= len(self.market)
        if self.place and (at_end or self.rng.random() < 0.4):
            highest = self.market[self.place].record.time - 1 if not at_end else self.market[-1].record.time + TAIL
            lowest = self.market[self.place - 1].record.time
            self._watermark(highest if at_end else self.rng.randint(lowest, highest))
        if rows:
            self._journal(checks, rows[-1].record.time)
        self.feed.commit()
        self.ended = at_end

    def _journal(self, checks: dict[str, bytes], watermark: int) -> None:
        """What a feed says of each flush, by which a replay trusts the market."""
        name = f"{self.settings.session}/journal/feed/0/{self.feed_entries}"
        entry = JournalEntry(
            event_id=name, causation_id=name, correlation_id=name, session=self.settings.session, time=watermark, stage="feed", task=0,
            sequence=self.feed_entries, positions="[]", frontier=watermark, watermark=watermark, commands="[]",
            outputs_count=self.feed_count, outputs_digest=self.feed_digest, previous_digest=self.feed_previous, code_version="test",
            settings_digest=self.settings.digest(), source=encode_state(FeedSource(checks=checks)).decode(),
        )  # fmt: skip
        self.feed.append(self.layout.journal("feed", 0), key=b"feed-0", value=self.codec.wire(entry), time=watermark)
        self.feed_entries += 1
        self.feed_previous = entry_digest(self.codec.payload(entry))

    def _watermark(self, time: int) -> None:
        for topic in FEED_TOPICS:
            for number in range(self.layout.partitions):
                self.feed.append(
                    self.layout.at(topic, number), key=None, value=None, headers=watermark_headers(time), time=time
                )

    def command(self, kind: CommandKind, account: str = "*") -> None:
        self.commands += 1
        name = f"{self.settings.session}/command/{self.commands}"
        record = Command(
            event_id=name, causation_id=name, correlation_id=name, session=self.settings.session, time=1, account=account,
            kind=kind, symbol=None, operator="ada", justification="a drill",
        )  # fmt: skip
        writer = self.log.writer("operator")
        writer.begin()
        for number in range(self.layout.risk_tasks):
            writer.append(self.layout.at("commands", number), key=account.encode(), value=self.codec.wire(record), time=1000)
        writer.commit()

    def worker_turn(self, key: tuple[int, int], *, kill: bool = False) -> bool:
        """One turn; a killed worker vanishes after any of its three phases and a new one takes its slot."""
        worker = self.workers[key]
        phase = self.rng.randrange(4) if kill else 9
        turn = worker.receive()
        self._note_queues(worker)
        if phase > 0:
            worker.step(turn)
        moved = worker.commit() if phase > 1 else False
        if kill:
            self.kills += 1
            self.log.lose(worker._member)  # type: ignore[arg-type]
            self._start(*key)
            return True
        return moved or bool(turn.messages) or bool(turn.commands)

    def run(self, *, kill_share: float = 0.0, commands: list[tuple[float, CommandKind]] | None = None) -> "Simulation":
        """Turns in random order until all market data is written and nothing moves any more."""
        waiting = list(commands or [])
        while True:
            if not self.ended:
                self.feed_turn(self.rng.choice((0, 1, 7, 100)))
            while waiting and self.place >= waiting[0][0] * len(self.market):
                self.command(waiting.pop(0)[1])
            keys = list(self.workers)
            self.rng.shuffle(keys)
            stalled = self.rng.randrange(len(keys) + 1) if not self.ended else len(keys)
            moved = False
            for key in keys[:stalled]:
                moved = self.worker_turn(key, kill=self.rng.random() < kill_share and not self._settling()) or moved
            if self.ended and not moved and not waiting and self._all_settled():
                return self

    def _note_queues(self, worker: Worker) -> None:
        """A queue may pass its limit by one poll of the member and one of the task's reader, no more."""
        allowed = worker.limits.queue_max + 2 * worker.limits.messages_max
        for held in worker.tasks.values():
            self.overfull += [(len(one.queue), allowed) for one in held.task.merge.inputs if len(one.queue) > allowed]

    def _settling(self) -> bool:
        return self.ended and self.rng.random() < 0.9

    def _all_settled(self) -> bool:
        """One more round of every worker moves nothing: no deadlock hides behind a kill or a rebalance."""
        for _ in range(4):
            moved = [self.worker_turn(key) for key in self.workers]  # every one takes its turn
            if any(moved):
                return False
        return True

    def frontiers(self) -> dict[str, int]:
        """How far each task has come."""
        return {
            f"{worker.stage.name}-{number}": held.task.frontier
            for worker in self.workers.values()
            for number, held in worker.tasks.items()
        }


def data_of(simulation: Simulation) -> dict[str, list[Any]]:
    """What byte-equality is about."""
    from streams.log.canonical import canonical_records, compared_topics

    return {
        topic: canonical_records(simulation.log, simulation.layout, simulation.codec, topic) for topic in compared_topics()
    }


def assert_replays_equal(simulation: Simulation) -> None:
    """Run again from its own log by its own stages, the session puts out what it put out."""
    verdict = verify(simulation.log, simulation.settings, simulation.codec, simulation.stages)
    assert verdict.equal, "\n".join(map(str, verdict.divergences))


__all__ = ["STAGES", "TAIL", "Partition", "Simulation", "assert_replays_equal", "data_of"]

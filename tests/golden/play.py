"""
Sessions played in memory by a script: the simulated market, and at given shares of it operators' commands, deaths, rebalances,
a crash of the price, bytes that are no record. Everything is decided by the script, so playing it again gives the same log.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from streams.domain.parameters import SessionSettings
from streams.domain.records import Command, CommandKind, Level
from streams.exchange.push import Position, Push
from streams.exchange.simulated import SimulatedFeed
from streams.exchange.writer import FeedWriter
from streams.log.codec import Codec, SchemaIds
from streams.log.held import WorkerLimits
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.log.memory_host import run_turns
from streams.log.worker import Worker
from streams.operate import sessions
from streams.operate.runtime import STAGES

CODE = "golden"
LIMITS = WorkerLimits(
    messages_max=200, events_max=200, queue_max=2_000, wait_s=0.0, journal_idle_s=0.0,
    promise_s=0.0, promise_idle_s=0.0,
)
SECOND = 1_000_000


class Happens(NamedTuple):
    """
    At `share` of the market's pushes: `what` one of the words below, `of` its object.

    command KIND; restart (every stage dies and comes back); join (a second worker for each stage), leave (the first one's end);
    jump FACTOR (the whole market at that price); poison (bytes that are no record, on market_data).
    """

    share: float
    what: str
    of: str = ""


class Played(NamedTuple):
    log: MemoryLog
    codec: Codec
    settings: SessionSettings


def play(settings: SessionSettings, story: Iterable[Happens] = (), *, a_turn: int = 40) -> Played:
    """The session from its start until nothing moves any more, and its end on its own topic."""
    return _Play(settings, sorted(story), a_turn).run()


class _Play:
    def __init__(self, settings: SessionSettings, story: list[Happens], a_turn: int) -> None:
        self.settings, self.story, self.a_turn = settings, story, a_turn
        self.log, self.codec, self.layout = MemoryLog(), Codec.offline(), Layout.of(settings)
        self.start = settings.feed.start_time
        sessions.create(self.log, self.codec, settings, schema_ids=SchemaIds.offline(), code_version=CODE, time=self.start)
        self.workers: dict[tuple[str, int], Worker] = {}
        self.slots = 0
        self.said = 0
        self._join()

    def run(self) -> Played:
        feed = SimulatedFeed(self.settings.feed)
        writer = FeedWriter(self.log, self.codec, self.settings, code_version=CODE)
        writer.introduce(feed.instruments())
        pushes = list(feed.pushes())
        last: dict[str, Push] = {}
        waiting = list(self.story)
        for number, push in enumerate(pushes):
            while waiting and number >= waiting[0].share * len(pushes):
                self._happen(waiting.pop(0), writer, last)
            writer.put(push)
            if isinstance(push, Push):
                last[push.symbol] = push
            if number % self.a_turn == 0:
                writer.flush()
                run_turns(list(self.workers.values()))
        for one in waiting:
            self._happen(one, writer, last)
        writer.finish()
        run_turns(list(self.workers.values()))
        writer.close()
        for worker in self.workers.values():
            worker.close()
        sessions.end(self.log, self.codec, self.settings.session, time=self.start + SECOND)
        return Played(self.log, self.codec, self.settings)

    def _happen(self, one: Happens, writer: FeedWriter, last: dict[str, Push]) -> None:
        match one.what:
            case "command":
                self._command(CommandKind(one.of))
            case "restart":
                self._restart()
            case "join":
                self._join()
            case "leave":
                self._leave(min(slot for _, slot in self.workers))
            case "jump":
                for push in last.values():
                    writer.put(jumped(push, one.of))
            case "poison":
                self._poison()
            case _:
                raise AssertionError(f"nothing happens by the word {one.what}")
        writer.flush()
        run_turns(list(self.workers.values()))

    def _join(self) -> None:
        for name, stage_of in STAGES.items():
            self.workers[name, self.slots] = Worker(
                self.log, stage_of, self.settings, self.codec, slot=str(self.slots), code_version=CODE, limits=LIMITS
            )
        self.slots += 1

    def _leave(self, slot: int) -> None:
        for key in [key for key in self.workers if key[1] == slot]:
            self.workers.pop(key).close()

    def _restart(self) -> None:
        """As after kill -9: what was read and not committed is lost, the group learns of the death later."""
        slots = sorted({slot for _, slot in self.workers})
        for worker in self.workers.values():
            worker.step(worker.receive())
            self.log.lose(worker._member)  # type: ignore[arg-type]
        self.workers.clear()
        for _ in slots:
            self._join()

    def _command(self, kind: CommandKind) -> None:
        self.said += 1
        name = f"{self.settings.session}/command/{self.said}"
        record = Command(
            event_id=name, causation_id=name, correlation_id=name, session=self.settings.session, time=self.start + self.said,
            account="*", kind=kind, symbol=None, operator=f"operator {self.said}", justification="a drill",
        )  # fmt: skip
        writer = self.log.writer("operator")
        writer.begin()
        for number in range(self.layout.risk_tasks):
            writer.append(self.layout.at("commands", number), key=b"*", value=self.codec.wire(record), time=record.time)
        writer.commit()
        writer.close()

    def _poison(self) -> None:
        writer = self.log.writer("stranger")
        writer.begin()
        writer.append(self.layout.at("market_data", 0), key=b"?", value=b"no record of ours", time=self.start)
        writer.commit()
        writer.close()


def jumped(last: Push, factor: str) -> Push:
    """The symbol's market a second later at `factor` times the price."""
    assert last.event_time is not None
    price = last.mark_price or last.best_bid or (last.bids[0].price if last.bids else None)
    assert price is not None
    tick = Decimal("0.1")
    middle = (price * Decimal(factor)).quantize(tick)
    return Push(
        exchange=last.exchange, symbol=last.symbol, event_time=last.event_time + SECOND, receive_time=last.receive_time + SECOND,
        source=Position(last.source.place, last.source.number), mark_price=middle if last.mark_price else None,
        index_price=middle if last.mark_price else None, snapshot=True, update_id=(last.update_id or 0) + 1,
        bids=[Level(middle - tick, Decimal(9))], asks=[Level(middle + tick, Decimal(9))],
    )  # fmt: skip


"""
What an incident's page is drawn from: one part of a session, read once, and the answers to the questions that are asked about it.

The part's records become a timeline, points on a price and measures of lag; the moment's state, the chosen event's chain and, where it
is a refused order, what would have let it pass, are what `cdb replay state`, `why` and `whynot` say. Times are µs of logical time.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple, TypeVar

from streams.domain.records import Command, DeadLetter, JournalEntry, Mark, MarketData, Order, Record, Signal
from streams.errors import DecodeError
from streams.log.interface import Partition
from streams.log.journal import read_range
from streams.log.takeover import taken_commands
from streams.replay.questions.chain import Chain, why
from streams.replay.questions.places import Places
from streams.replay.questions.state import SessionState, state_at
from streams.replay.questions.whynot import WhyNot, whynot
from streams.replay.questions.wording import number
from streams.replay.recorded.recorded import Recorded
from streams.replay.recorded.search import first_offset
from streams.replay.summary import records_of
from streams.replay.verification.part import Part
from streams.report.gather import Material, material_of
from streams.report.incident.timeline import Moment, Timeline
from streams.report.series import Curve

MILLISECOND = 1000
# Lag is drawn as the worst of each stretch of this length.
LAG_STRETCH = 100_000

Kind = TypeVar("Kind", bound=Record)


class Refused(NamedTuple):
    """A refused order on the price it was decided at."""

    time: int
    price: Decimal
    words: str


class Wait(NamedTuple):
    """How long an answer took, in µs of the session's own time, and whose it is."""

    time: int
    lasted: int
    words: str


class Lag(NamedTuple):
    """
    By symbol: how long market records were on their way (receive − event time), and how old the newest one was at each mark; both µs, the
    worst of each stretch. `answers`: each from the decision to the fill.
    """

    market: dict[str, Curve]
    marks: dict[str, Curve]
    answers: list[Wait]


class Incident(NamedTuple):
    """A part of a session (`material`), the moment `at` that it is about, and all that was asked about it."""

    material: Material
    start: int
    end: int
    at: int
    moments: list[Moment]
    refused: dict[str, list[Refused]]
    lag: Lag
    state: SessionState
    chain: Chain | None
    whynot: WhyNot | None


def event_time(recorded: Recorded, event_id: str) -> int:
    """When something with an id happened. Raises: ConfigError where the session has no record of that id."""
    return Places(recorded).record(event_id).record.time


def incident_of(recorded: Recorded, start: int, end: int, at: int, event_id: str | None) -> Incident:
    """
    Everything about the part from `start` to `end` and the moment `at`, all within the session's span, and about one of its events.

    Raises: ConfigError where the session has no record of that id; LogError, ReplayMismatch as the questions.
    """
    part = Part(start, end)
    material = material_of(recorded.log, recorded.codec, recorded.settings, (), part)
    chain = None if event_id is None else why(recorded, event_id)
    asked = None if chain is None else chain.asked.record
    is_refused = isinstance(asked, Order) and not asked.approved
    return _Gathering(recorded, part).incident(
        material, at, state_at(recorded, at), chain, whynot(recorded, asked.event_id) if is_refused and asked is not None else None
    )


class _Gathering:
    """One reading of one part."""

    def __init__(self, recorded: Recorded, part: Part) -> None:
        assert part.start is not None and part.end is not None, "a part has its bounds here"
        self._recorded, self._part, self._start, self._end = recorded, part, part.start, part.end
        self._timeline = Timeline()

    def incident(self, material: Material, at: int, state: SessionState, chain: Chain | None, answer: WhyNot | None) -> Incident:
        line = self._timeline
        delays, ages = _Worst(), _Worst()
        for market in self._market():
            line.market(market)
            if market.event_time is not None and not market.feed_down:
                delays.add(market.symbol, market.time, market.receive_time - market.event_time)
        for mark in self._records("marks", Mark):
            ages.add(mark.symbol, mark.time, mark.time - mark.market_time)
        for signal in self._records("signals", Signal):
            line.signal(signal)
        refused = self._refused()
        for result in material.results:
            line.result(result)
        for alert in material.alerts:
            line.alert(alert)
        for snapshots in material.snapshots.values():
            line.modes(snapshots)
        for command, taken in self._commands():
            line.command(command, taken)
        for letter in self._records("dead_letters", DeadLetter):
            line.letter(letter)
        answers = [
            Wait(one.fill_time, one.latency_us, f"{one.side} {one.symbol} of {one.strategy}") for one in material.results if one.quantity
        ]
        lag = Lag(delays.curves(), ages.curves(), answers)
        return Incident(material, self._start, self._end, at, line.ordered(), refused, lag, state, chain, answer)

    def _refused(self) -> dict[str, list[Refused]]:
        found: dict[str, list[Refused]] = {}
        for order in self._records("orders", Order):
            self._timeline.order(order)
            if not order.approved and order.decision_mark is not None:
                words = (
                    f"{order.rejection_code}: {order.side} {order.symbol} of {order.strategy}, measured {number(order.measured, 6)}, "
                    f"limit {number(order.limit, 6)}"
                )
                found.setdefault(order.symbol, []).append(Refused(order.time, order.decision_mark, words))
        return {symbol: sorted(points) for symbol, points in found.items()}

    def _records(self, topic: str, kind: type[Kind]) -> Iterator[Kind]:
        """A part of a topic, each partition in the order of time."""
        recorded = self._recorded
        for record in records_of(recorded.log, recorded.layout, recorded.codec, topic, self._part):
            assert isinstance(record, kind)
            yield record

    def _market(self) -> Iterator[MarketData]:
        """The part's market records; what others put there that is no record, no stage has read either."""
        log, layout = self._recorded.log, self._recorded.layout
        for task in range(layout.count("market_data")):
            place = layout.at("market_data", task)
            first = first_offset(log, place, self._start // MILLISECOND * MILLISECOND)
            for message in read_range(log, place, first, log.end_offset(place)):
                try:
                    record = None if message.value is None else self._recorded.codec.decode(message.value, MarketData)
                except DecodeError:
                    continue
                if record is not None and record.time > self._end:
                    break
                if isinstance(record, MarketData) and record.time >= self._start:
                    yield record

    def _commands(self) -> Iterator[tuple[Command, int]]:
        """The commands that risk took in the part, each once, with the moment at which the first task took it."""
        recorded = self._recorded
        found: dict[str, tuple[Command, int]] = {}
        for stage, task in recorded.tasks():
            if stage.takes_commands:
                entries = self._entries(recorded.layout.journal(stage.name, task))
                for taken, command in taken_commands(recorded.log, recorded.layout, recorded.codec, entries):
                    if self._start <= taken.time <= self._end:
                        known = found.get(command.event_id)
                        found[command.event_id] = (command, taken.time if known is None else min(known[1], taken.time))
        yield from found.values()

    def _entries(self, journal: Partition) -> Iterator[JournalEntry]:
        """Those that can speak of the part."""
        log = self._recorded.log
        first = first_offset(log, journal, self._start // MILLISECOND * MILLISECOND)
        for message in read_range(log, journal, first, log.end_offset(journal)):
            if message.value is not None:
                entry = self._recorded.codec.decode(message.value, JournalEntry)
                assert isinstance(entry, JournalEntry)
                yield entry
                if entry.frontier >= self._end:
                    break


class _Worst:
    """Curves by symbol: the largest value (µs) of each stretch."""

    def __init__(self) -> None:
        self._found: dict[str, dict[int, int]] = {}

    def add(self, symbol: str, time: int, value: int) -> None:
        stretches = self._found.setdefault(symbol, {})
        at = time // LAG_STRETCH * LAG_STRETCH
        stretches[at] = max(stretches.get(at, value), value)

    def curves(self) -> dict[str, Curve]:
        return {symbol: Curve(list(found), list(found.values())) for symbol, found in sorted(self._found.items())}

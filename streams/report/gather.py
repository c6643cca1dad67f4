"""
What a report is drawn from, read once from a session's topics.

Prices come from candles where the session has enough of them, else from its marks in bars of a second (reading marks of days would
take minutes and show no more). Records that only get counted are not kept. Times are µs of logical time.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import NamedTuple, TypeVar

from streams.domain.parameters import SessionSettings
from streams.domain.records import (
    Alert,
    Allocation,
    Candle,
    Command,
    LedgerEntry,
    Mark,
    Order,
    OrderResult,
    PortfolioSnapshot,
    Position,
    Purpose,
    Record,
)
from streams.errors import DecodeError, ReplayMismatch
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.log.journal import newest_entry, read_range
from streams.log.layout import Layout
from streams.replay.summary import records_of, strategy_reasons
from streams.replay.verification.part import WHOLE, Part
from streams.report.series import BarBuilder, Bars
from streams.stages.contract import StageFactory

# A symbol with so many candles is drawn from them: four hours at 60 s.
CANDLES_MIN = 240
MARK_BAR = 1_000_000

Kind = TypeVar("Kind", bound=Record)


class Refusal(NamedTuple):
    """One rejection code: how often each strategy met it, and the last time with its measure."""

    code: str
    strategies: dict[str, int]
    last: Order

    @property
    def total(self) -> int:
        return sum(self.strategies.values())


class Prices(NamedTuple):
    """A symbol's bars and what they are made of."""

    source: str
    bars: Bars


class Material(NamedTuple):
    """A session, or a part of it, as its report sees it; records in the order of time, fills and snapshots whole."""

    settings: SessionSettings
    part: Part
    code_version: str
    first_time: int
    last_time: int
    records: dict[str, int]
    snapshots: dict[str, list[PortfolioSnapshot]]  # by account
    results: list[OrderResult]
    purposes: dict[str, Purpose]  # of approved orders, by id
    approved: int
    refusals: list[Refusal]  # the most frequent first
    positions: list[Position]
    ledger: dict[tuple[str, str, str], tuple[int, Decimal]]  # (account, kind, asset): entries and their sum
    alerts: list[Alert]
    allocations: list[Allocation]
    commands: list[Command]
    prices: dict[str, Prices]
    reasons: dict[str, str]  # what each strategy says of itself


def material_of(log: Log, codec: Codec, settings: SessionSettings, stages: tuple[StageFactory, ...], part: Part = WHOLE) -> Material:
    """
    Reads a session, settled or still running, as far as it has come; or a part of it, whose commands are still all of the session's and
    whose strategies say nothing of themselves.

    Raises: LogError where a topic is missing or the log goes away.
    """
    return _Gathering(log, codec, settings, part).material(stages)


class _Gathering:
    """One reading of one session."""

    def __init__(self, log: Log, codec: Codec, settings: SessionSettings, part: Part) -> None:
        self._log, self._codec, self._settings, self._part = log, codec, settings, part
        self._layout = Layout.of(settings)
        self._counts: Counter[str] = Counter()

    def material(self, stages: tuple[StageFactory, ...]) -> Material:
        snapshots = self._sorted("portfolio_snapshots", PortfolioSnapshot)
        purposes, approved, refusals = self._decisions()
        # Names as the settings have them, so that an account without a record is there and shows nothing.
        by_account: dict[str, list[PortfolioSnapshot]] = {account.name: [] for account in self._settings.accounts}
        for snapshot in snapshots:
            by_account.setdefault(snapshot.account, []).append(snapshot)
        feed = newest_entry(self._log, self._layout.journal("feed", 0), self._codec)
        last = feed.watermark if feed is not None else 0
        if self._part.end is not None:
            last = min(last, self._part.end)
        prices = self._prices()
        times = [one.bars.times[0] for one in prices.values() if one.bars.times] + [one.time for one in snapshots[:1]]
        return Material(
            settings=self._settings, part=self._part, code_version=feed.code_version if feed is not None else "",
            first_time=min(times, default=last), last_time=last, snapshots=by_account,
            results=self._sorted("order_results", OrderResult), purposes=purposes, approved=approved, refusals=refusals,
            positions=self._sorted("positions", Position), ledger=self._ledger(), alerts=self._sorted("alerts", Alert),
            allocations=self._sorted("allocations", Allocation), commands=self._commands(), prices=prices,
            reasons=self._reasons(stages) if self._part == WHOLE else {},
            records={"market data and instruments": feed.outputs_count if feed is not None else 0, **self._counts},
        )  # fmt: skip

    def _of(self, topic: str, kind: type[Kind], keep: Callable[[Kind], bool] = lambda _: True) -> Iterator[Kind]:
        self._counts[topic] += 0
        for record in records_of(self._log, self._layout, self._codec, topic, self._part):
            assert isinstance(record, kind)
            self._counts[topic] += 1
            if keep(record):
                yield record

    def _sorted(self, topic: str, kind: type[Kind]) -> list[Kind]:
        """All of a topic in the order of time; each partition is in it already."""
        return sorted(self._of(topic, kind), key=lambda record: record.time)

    def _decisions(self) -> tuple[dict[str, Purpose], int, list[Refusal]]:
        purposes: dict[str, Purpose] = {}
        counts: dict[str, Counter[str]] = {}
        last: dict[str, Order] = {}
        for order in self._of("orders", Order):
            if order.approved:
                purposes[order.event_id] = order.purpose
                continue
            code = order.rejection_code or ""
            counts.setdefault(code, Counter())[order.strategy] += 1
            if code not in last or order.time >= last[code].time:
                last[code] = order
        refusals = [Refusal(code, dict(found), last[code]) for code, found in counts.items()]
        return purposes, len(purposes), sorted(refusals, key=lambda one: (-one.total, one.code))

    def _ledger(self) -> dict[tuple[str, str, str], tuple[int, Decimal]]:
        sums: dict[tuple[str, str, str], tuple[int, Decimal]] = {}
        for entry in self._of("ledger_entries", LedgerEntry):
            key = (entry.account, entry.kind.value, entry.asset)
            count, total = sums.get(key, (0, Decimal(0)))
            sums[key] = (count + 1, total + entry.amount)
        return dict(sorted(sums.items()))

    def _commands(self) -> list[Command]:
        """Each once: one for all accounts stands on every partition. What is no command has its dead letter, written by risk."""
        found: dict[str, Command] = {}
        for number in range(self._layout.count("commands")):
            place = self._layout.at("commands", number)
            for message in read_range(self._log, place, self._log.start_offset(place), self._log.end_offset(place)):
                try:
                    command = self._codec.decode(message.value or b"", Command)
                except DecodeError:
                    continue
                assert isinstance(command, Command)
                found[command.event_id] = command
        self._counts["commands"] = len(found)
        return sorted(found.values(), key=lambda command: command.time)

    def _prices(self) -> dict[str, Prices]:
        candles = {symbol: Bars([], [], [], [], []) for symbol in self._settings.feed.symbols}
        history = self._settings.feed.warmup
        begins = 0 if history is None else history.to_time
        for candle in self._sorted("candles", Candle):
            if candle.open_time < begins:
                continue
            bars = candles.setdefault(candle.symbol, Bars([], [], [], [], []))
            bars.append(candle.open_time, float(candle.open), float(candle.high), float(candle.low), float(candle.close))
        seconds = self._settings.market.candle_seconds
        found = {symbol: Prices(f"candles of {seconds} s", bars) for symbol, bars in candles.items()}
        short = {symbol for symbol, bars in candles.items() if len(bars.times) < CANDLES_MIN}
        if short:
            builders = {symbol: BarBuilder(MARK_BAR) for symbol in short}
            for mark in self._of("marks", Mark, lambda mark: mark.mark is not None and mark.symbol in short):
                assert mark.mark is not None
                builders[mark.symbol].add(mark.time, float(mark.mark))
            for symbol, builder in builders.items():
                if len(builder.bars.times) > len(found[symbol].bars.times):
                    found[symbol] = Prices("marks, in bars of a second", builder.bars)
        return found

    def _reasons(self, stages: tuple[StageFactory, ...]) -> dict[str, str]:
        try:
            return strategy_reasons(self._log, self._settings, self._codec, stages[0])
        except ReplayMismatch:
            # Another version's session: its records can be read, its strategies' states cannot be made again.
            return {}

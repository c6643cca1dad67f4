"""
A market out of nothing: seeded, several symbols, with trades, book tickers and depth deltas over one consistent book
each.

It is for demonstrations and tests of the machinery, not of strategies. Everything is whole numbers (ticks, lots, µs,
and a price in millionths of a tick), drawn from `random.Random.getrandbits`, so the same seed gives the same bytes on
any Python.

Time runs in **epochs** of 30 s. An epoch of a symbol has one regime (a drift and a noise), its own generator seeded by
(seed, symbol, epoch), and begins with a snapshot; what goes over from one to the next is a handful of numbers
(`Standing`). So a position in this market is (the standings at the epoch's start, how many pushes since), and going on
from any position costs at most one epoch. A symbol's first epochs rise and burst, so that a session has something to
decide in its first minute; bursts turn against what the price has done since the start, so that it stays within its
order of magnitude.

Within an epoch each symbol acts every 1/rate s: three acts of four are a trade or a book ticker at the standing best
prices, the fourth moves the price and sends the depth delta, so book, ticker and trades never contradict each other.
Every push of a perpetual carries its index and mark, and its funding is announced at the start of an epoch
(`streams.exchange.simulated_funding`).
"""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from streams.domain.parameters import FeedParameters
from streams.domain.records import InstrumentKind
from streams.errors import ConfigError
from streams.exchange.instruments import FOLDER, InstrumentSpec, venue_instruments
from streams.exchange.push import FundingNotice, Position, Push
from streams.exchange.simulated_book import MICROTICKS, SimulatedBook
from streams.exchange.simulated_funding import INTERVAL_HOURS, index_and_mark, rate_of, settlement_after
from streams.stages.state import encode_state

EXCHANGE = "simulated"
EPOCH_SECONDS = 30
MICROSECONDS = 1_000_000
ACTS_PER_MOVE = 4
# Receive time is this much after event time, µs.
DELAY_MIN, DELAY_SPAN = 2_000, 15_000
# Beyond this distance from the start price (hundredths of a percent) an epoch drifts back.
LEASH_BASIS_POINTS = 600


class Regime(StrEnum):
    RISE = "RISE"
    FALL = "FALL"
    RANGE = "RANGE"
    BURST_UP = "BURST_UP"
    BURST_DOWN = "BURST_DOWN"


class _Motion(NamedTuple):
    """
    Drift in hundredths of a basis point per second, and the largest noise of one move in hundredths of a basis point.
    """

    drift: int
    noise: int


_MOTIONS = {
    Regime.RISE: _Motion(100, 40),
    Regime.FALL: _Motion(-100, 40),
    Regime.RANGE: _Motion(0, 50),
    Regime.BURST_UP: _Motion(450, 90),
    Regime.BURST_DOWN: _Motion(-450, 90),
}
_OPENING = (Regime.RISE, Regime.BURST_UP, Regime.FALL)
_MIX = (
    Regime.RISE, Regime.RISE, Regime.FALL, Regime.FALL, Regime.RANGE, Regime.RANGE, Regime.BURST_UP, Regime.BURST_DOWN,
)  # fmt: skip
_UP = {Regime.FALL: Regime.RISE, Regime.BURST_DOWN: Regime.BURST_UP}
_DOWN = {up: down for down, up in _UP.items()}


class Standing(msgspec.Struct):
    """A symbol at the start of an epoch: price in microticks, the last ids of book and trades."""

    price: int
    update_id: int = 0
    trade_id: int = 0


class Epoch(msgspec.Struct):
    """All symbols at the start of an epoch; `receive_last` keeps receive times in order across epochs."""

    number: int
    receive_last: int
    symbols: dict[str, Standing]


class SimulatedFeed:
    """The market of one seed. The same parameters give the same pushes, from any position."""

    kind = EXCHANGE
    candles = 0

    def __init__(self, parameters: FeedParameters, instruments_folder: Path = FOLDER) -> None:
        """Raises: ConfigError for a symbol that the instruments file does not give a market."""
        known = venue_instruments(EXCHANGE, instruments_folder)
        unknown = sorted(symbol for symbol in parameters.symbols if symbol not in known or known[symbol].market is None)
        if unknown:
            raise ConfigError(f"FEED_SYMBOLS must be among {', '.join(sorted(known))}, was {', '.join(unknown)}")
        self.parameters = parameters
        self._specs = {symbol: known[symbol] for symbol in sorted(set(parameters.symbols))}
        self._interval = MICROSECONDS // parameters.rate_per_second

    def instruments(self) -> list[InstrumentSpec]:
        return list(self._specs.values())

    def pushes(self, after: Position | None = None, *, outage_until: int | None = None) -> Iterator[Push | FundingNotice]:
        """See `Feed`. After an outage it goes on behind `outage_until`: what would have come before is never seen."""
        if after is None:
            epoch, seen = self._first(), 0
        else:
            epoch, seen = msgspec.json.decode(after.place, type=Epoch), after.number
        returned = set(self._specs) if outage_until is None else set()
        while not self._is_over(epoch):
            run = EpochRun(self, epoch)
            for push in run.pushes():
                if push.source.number <= seen:
                    continue
                if outage_until is not None and (push.event_time or 0) <= outage_until:
                    continue
                if isinstance(push, Push) and push.symbol not in returned:
                    returned.add(push.symbol)
                    yield from run.reunion(push)
                    continue
                yield push
            epoch, seen = run.end(), 0

    def _first(self) -> Epoch:
        standings = {symbol: Standing(start_ticks(spec) * MICROTICKS) for symbol, spec in self._specs.items()}
        return Epoch(0, self.parameters.start_time, standings)

    def _is_over(self, epoch: Epoch) -> bool:
        duration = self.parameters.duration_seconds
        return duration is not None and epoch.number * EPOCH_SECONDS >= duration

    @property
    def interval(self) -> int:
        """µs between two acts of a symbol."""
        return self._interval

    @property
    def perpetuals(self) -> list[str]:
        """The symbols that have a mark and funding."""
        return [symbol for symbol, spec in self._specs.items() if spec.kind is InstrumentKind.PERPETUAL]

    def spec(self, symbol: str) -> InstrumentSpec:
        return self._specs[symbol]


class EpochRun:
    """One epoch as it goes: all symbols' books, merged by event time."""

    def __init__(self, feed: SimulatedFeed, epoch: Epoch) -> None:
        self._feed = feed
        self._epoch = epoch
        self._place = encode_state(epoch).decode()
        self._receive_last = epoch.receive_last
        self._count = 0
        self._perpetuals = feed.perpetuals
        seed = feed.parameters.seed
        self._randoms = {symbol: Random(f"{seed}/{symbol}/{epoch.number}") for symbol in epoch.symbols}
        self._books = {
            symbol: SimulatedBook(
                feed.spec(symbol), self._randoms[symbol], price=standing.price, update_id=standing.update_id,
                trade_id=standing.trade_id,
            )
            for symbol, standing in epoch.symbols.items()
        }  # fmt: skip
        self._motions = {symbol: self._motion(symbol, number) for number, symbol in enumerate(epoch.symbols)}

    def pushes(self) -> Iterator[Push | FundingNotice]:
        """A snapshot of each symbol, funding where a rate is new, then their acts in turn until the epoch or the session ends."""
        parameters = self._feed.parameters
        start = parameters.start_time + self._epoch.number * EPOCH_SECONDS * MICROSECONDS
        end = start + EPOCH_SECONDS * MICROSECONDS
        if parameters.duration_seconds is not None:
            end = min(end, parameters.start_time + parameters.duration_seconds * MICROSECONDS)
        # Symbols act one after the other, spread over the interval, each with its own tremor.
        step = self._feed.interval // len(self._books)
        for place, symbol in enumerate(self._books):
            yield self._sent(start + place, symbol, self._books[symbol].snapshot())
        for symbol in self._perpetuals:
            settlement = settlement_after(start)
            if not self._epoch.number or settlement != settlement_after(start - EPOCH_SECONDS * MICROSECONDS):
                yield self._notice(start + len(self._books), symbol, settlement)
        act = 0
        while (base := start + step + act * self._feed.interval) < end:
            for place, symbol in enumerate(self._books):
                time = base + place * step + self._randoms[symbol].getrandbits(16) * max(step - 1, 0) // 65536
                if time < end:
                    yield self._sent(time, symbol, self._act(symbol, act, time))
            act += 1

    def reunion(self, missed: Push) -> Iterator[Push]:
        """What a reader that was away gets in place of its first push: word of the gap, then the book as it is."""
        bare = Push(
            exchange=EXCHANGE, symbol=missed.symbol, event_time=missed.event_time, receive_time=missed.receive_time,
            source=missed.source,
        )  # fmt: skip
        yield msgspec.structs.replace(bare, gap=True)
        yield msgspec.structs.replace(bare, **self._books[missed.symbol].snapshot())

    def end(self) -> Epoch:
        """The next epoch's beginning, once all pushes have been taken."""
        standings = {name: Standing(book.price, book.update_id, book.trade_id) for name, book in self._books.items()}
        return Epoch(self._epoch.number + 1, self._receive_last, standings)

    def _act(self, symbol: str, act: int, time: int) -> dict[str, object]:
        book, random = self._books[symbol], self._randoms[symbol]
        if act % ACTS_PER_MOVE == ACTS_PER_MOVE - 1:
            motion = self._motions[symbol]
            drift = motion.drift * self._feed.interval * ACTS_PER_MOVE // MICROSECONDS
            noise = random.getrandbits(16) * (2 * motion.noise + 1) // 65536 - motion.noise
            return book.move(drift + noise)
        if random.getrandbits(1):
            drift = self._motions[symbol].drift
            return book.trade(time, buyers_of_16=8 + 3 * ((drift > 0) - (drift < 0)))
        return book.ticker()

    def _motion(self, symbol: str, number: int) -> _Motion:
        epoch, random = self._epoch.number, self._randoms[symbol]
        regime = _MIX[random.getrandbits(3)]
        if epoch < len(_OPENING):
            regime = _OPENING[(epoch + number) % len(_OPENING)]
        begin = start_ticks(self._feed.spec(symbol)) * MICROTICKS
        away = (self._epoch.symbols[symbol].price - begin) * 10_000 // begin
        if away > LEASH_BASIS_POINTS:
            regime = _DOWN.get(regime, regime)
        elif away < -LEASH_BASIS_POINTS:
            regime = _UP.get(regime, regime)
        return _MOTIONS[regime]

    def _notice(self, time: int, symbol: str, settlement: int) -> FundingNotice:
        self._count += 1
        self._receive_last = max(self._receive_last, time + DELAY_MIN)
        return FundingNotice(
            exchange=EXCHANGE, symbol=symbol, event_time=time, receive_time=self._receive_last,
            source=Position(self._place, self._count), rate=rate_of(self._feed.parameters.seed, symbol, settlement),
            interval_hours=INTERVAL_HOURS, settlement_time=settlement,
        )  # fmt: skip

    def _sent(self, time: int, symbol: str, content: dict[str, object]) -> Push:
        self._count += 1
        delay = DELAY_MIN + self._randoms[symbol].getrandbits(16) * DELAY_SPAN // 65536
        self._receive_last = max(self._receive_last, time + delay)
        if symbol in self._perpetuals:
            seed, tick = self._feed.parameters.seed, self._feed.spec(symbol).tick_size
            content |= index_and_mark(seed=seed, symbol=symbol, price=self._books[symbol].price, tick=tick, time=time)
        return Push(
            exchange=EXCHANGE, symbol=symbol, event_time=time, receive_time=self._receive_last,
            source=Position(self._place, self._count), **content,  # type: ignore[arg-type]
        )  # fmt: skip


def start_ticks(spec: InstrumentSpec) -> int:
    """The price a symbol begins with, in ticks."""
    assert spec.market is not None
    return int(spec.market.start_price / spec.tick_size)

"""
The market behind the simulated exchange: takes a feed's pushes and says, each 100 ms of market time, what is new of each symbol.

Times of the source are shifted so that the market begins at the clock's start, less the history that is played at once so that candles
and trades reach back. A trade's time is the exchange's own (its clock's fault included) in whole milliseconds, as on the wire. Where the
source has no mark, index or funding for a perpetual, both prices are the middle of the book and the rate is 0.0001 each 8 hours.
"""

from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import NamedTuple

from streams.domain.money import EXACT
from streams.domain.records import Trade
from streams.exchange.mexc.events import Market
from streams.exchange.mexc_simulated.book import Best, Change, MarketBook
from streams.exchange.mexc_simulated.clock import HOUR, MINUTE, ExchangeClock
from streams.exchange.mexc_simulated.klines import Kline, KlineStore
from streams.exchange.mexc_simulated.listing import Listed, Listing
from streams.exchange.mexc_simulated.truth import BookSaid, FundingSaid, KlineSaid, MarkSaid, TradeSaid, TruthLog
from streams.exchange.push import FundingNotice, Push

BUCKET = 100_000
TRADES_KEPT = 20_000
# Books of real symbols have versions far from 1.
VERSION_FIRST = 1_000_000
FUNDING_RATE, FUNDING_HOURS = Decimal("0.0001"), 8
TWO = Decimal(2)


class Funding(NamedTuple):
    rate: Decimal
    interval_hours: int
    settlement_time: int


class SymbolMarket:
    """One symbol as it stands, and what is new of it since the last bucket."""

    def __init__(self, listed: Listed) -> None:
        self.listed = listed
        self.symbol = listed.symbol
        self.book = MarketBook(steps=listed.market is Market.SPOT, version=VERSION_FIRST)
        self.klines = KlineStore()
        self.trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self.mark: Decimal | None = None
        self.index: Decimal | None = None
        self.funding: Funding | None = None
        self.has_own_mark = False
        self.has_own_funding = False
        self.closed_until = 0  # windows that open before were said closed

    @property
    def last(self) -> Decimal | None:
        """The last trade's price."""
        return self.trades[-1].price if self.trades else None


class Bucket(NamedTuple):
    """What is new of one symbol at `time` of the exchange's clock."""

    state: SymbolMarket
    time: int
    trades: list[Trade]
    change: Change | None
    best: Best | None  # where the book changed
    closed: list[Kline]
    prices: bool
    funding: bool


class _News:
    """What has come of one symbol since the last bucket."""

    def __init__(self) -> None:
        self.trades: list[Trade] = []
        self.book = False
        self.prices = False
        self.funding = False


class MarketDriver:
    """Plays a source on the clock."""

    def __init__(
        self, source: Iterator[Push | FundingNotice], listing: Listing, clock: ExchangeClock, truth: TruthLog, *, history: int = 0
    ) -> None:
        """`history`: µs of the source that lie before the clock's start."""
        self.states = {listed.symbol: SymbolMarket(listed) for listed in listing.symbols.values()}
        self.ended = False
        self._source = source
        self._clock = clock
        self._truth = truth
        self._history = history
        self._shift: int | None = None
        self._held: tuple[int, Push | FundingNotice] | None = None
        self._last = 0
        self._news: dict[str, _News] = {}
        self._bucket_end = 0
        self._minute_end = 0

    def warm(self) -> None:
        """Takes the history, which nobody hears."""
        for time, push in self._timed():
            if time >= self._clock.start:
                self._held = (time, push)
                return
            self._cut_until(time, lambda bucket: None)
            self._take(push, time)
        self.ended = True

    async def run(self, publish: Callable[[Bucket], None], *, before: Callable[[], None]) -> None:
        """Publishes every bucket at its end, until the source ends; `before` is called ahead of each."""
        for time, push in self._timed():
            while (due := self._due(time)) is not None:
                await self._clock.sleep_until(due)
                before()
                self._cut(due, publish)
            self._take(push, time)
        while (due := self._due(self._last + MINUTE)) is not None:
            await self._clock.sleep_until(due)
            self._cut(due, publish)
        self.ended = True

    def _timed(self) -> Iterator[tuple[int, Push | FundingNotice]]:
        """The source with market times, which never go down."""
        if self._held is not None:
            held, self._held = self._held, None
            yield held
        for push in self._source:
            time = push.receive_time if push.event_time is None else push.event_time
            if self._shift is None:
                self._shift = self._clock.start - self._history - time
                self._minute_end = (time + self._shift) // MINUTE * MINUTE + MINUTE
            self._last = max(self._last, time + self._shift)
            yield self._last, push

    def _cut_until(self, time: int, publish: Callable[[Bucket], None]) -> None:
        while (due := self._due(time)) is not None:
            self._cut(due, publish)

    def _due(self, time: int) -> int | None:
        """When the next bucket or minute ends that ends by `time`."""
        minute = self._minute_end - self._clock.offset
        end = min(self._bucket_end, minute) if self._news else minute
        return end if end <= time else None

    def _cut(self, time: int, publish: Callable[[Bucket], None]) -> None:
        said = time + self._clock.offset
        news, self._news = self._news, {}
        minute = said >= self._minute_end
        if minute:
            self._minute_end = said // MINUTE * MINUTE + MINUTE
        for symbol, state in self.states.items():
            new = news.get(symbol)
            closed = self._close(state, said) if minute else []
            if new is None and not closed:
                continue
            publish(self._bucket(state, said, new or _News(), closed))

    def _bucket(self, state: SymbolMarket, said: int, new: _News, closed: list[Kline]) -> Bucket:
        change = state.book.cut() if new.book else None
        best = state.book.best() if change is not None else None
        if change is not None:
            self._truth.add(BookSaid(symbol=state.symbol, time=said, **change._asdict()))
        if state.listed.market is Market.FUTURES:
            self._price_perpetual(state, best, new, said)
        if new.prices:
            self._truth.add(MarkSaid(symbol=state.symbol, time=said, mark=state.mark, index=state.index))
        if new.funding and state.funding is not None:
            self._truth.add(FundingSaid(symbol=state.symbol, time=said, **state.funding._asdict()))
        return Bucket(state, said, new.trades, change, best, closed, new.prices, new.funding)

    def _price_perpetual(self, state: SymbolMarket, best: Best | None, new: _News, said: int) -> None:
        if not state.has_own_mark and best is not None:
            middle = EXACT.divide(EXACT.add(best.bid.price, best.ask.price), TWO)
            new.prices = new.prices or middle != state.mark
            state.mark = state.index = middle
        if not state.has_own_funding and (state.funding is None or state.funding.settlement_time <= said):
            interval = FUNDING_HOURS * HOUR
            state.funding = Funding(FUNDING_RATE, FUNDING_HOURS, said // interval * interval + interval)
            new.funding = True

    def _close(self, state: SymbolMarket, said: int) -> list[Kline]:
        """The minutes that have ended and were not said closed before."""
        state.klines.reach(said)
        closed = state.klines.between("Min1", start=state.closed_until, end=said - MINUTE + 1)
        for kline in closed:
            self._truth.add(KlineSaid(
                symbol=state.symbol, time=said, start=kline.start, open=kline.open, high=kline.high, low=kline.low, close=kline.close,
                volume=kline.volume, amount=kline.amount,
            ))  # fmt: skip
        if closed:
            state.closed_until = closed[-1].start + MINUTE
        return closed

    def _take(self, push: Push | FundingNotice, time: int) -> None:
        state = self.states.get(push.symbol)
        assert state is not None, "the listing names the source's symbols"
        if not self._news:
            self._bucket_end = time // BUCKET * BUCKET + BUCKET
        new = self._news.setdefault(push.symbol, _News())
        assert self._shift is not None, "the first push sets it"
        if isinstance(push, FundingNotice):
            state.has_own_funding = new.funding = True
            state.funding = Funding(push.rate, push.interval_hours, push.settlement_time + self._shift)
            return
        for trade in push.trades:
            self._trade(state, new, trade)
        if push.bids or push.asks or push.snapshot:
            state.book.lay(push.bids, push.asks, snapshot=push.snapshot)
            new.book = True
        if push.mark_price is not None or push.index_price is not None:
            state.has_own_mark = True
            new.prices = new.prices or (state.mark, state.index) != (push.mark_price, push.index_price)
            state.mark, state.index = push.mark_price, push.index_price

    def _trade(self, state: SymbolMarket, new: _News, trade: Trade) -> None:
        assert self._shift is not None, "the first push sets it"
        time = (trade.time + self._shift + self._clock.offset) // 1000 * 1000
        said = Trade(trade.trade_id, trade.price, trade.quantity, trade.aggressor, time)
        if not state.trades:
            state.listed.reference_price = trade.price
        state.trades.append(said)
        state.klines.on_trade(said)
        new.trades.append(said)
        self._truth.add(TradeSaid(symbol=state.symbol, time=time, trade=said))

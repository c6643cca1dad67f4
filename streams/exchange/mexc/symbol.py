"""
One symbol as its events come: which of them are told on, as pushes, and what is missing.

Book: diffs join by version (`streams.exchange.chain`), where one does not the book is void (a push with `gap`) until REST gives a whole
one. Trades: each once, whoever tells it. Prices: newer ones alone. After a gap the book is asked for and recent trades are, and the
trades that are missing are told then, late but with their own times.
"""

from collections import deque
from decimal import Decimal

from streams.domain.records import Level, Trade
from streams.exchange.chain import BookChange, Diff, VersionChain
from streams.exchange.mexc.candle_check import CandleCheck
from streams.exchange.mexc.events import (
    BookTicker,
    Deals,
    DepthChange,
    DepthSnapshot,
    Event,
    FairPrice,
    FundingRate,
    IndexPrice,
    Kind,
    Kline,
)
from streams.exchange.mexc.gaps import Cause, Completeness, Gap, Want
from streams.exchange.mexc.heard import FundingAnswer, TradesAnswer
from streams.exchange.mexc.trades_seen import TradesSeen
from streams.exchange.push import FundingNotice, Position, Push, Told

GAPS_KEPT = 1000
SECOND = 1_000_000
SILENT = 2 * SECOND
# A silence counts as just before for so long: a book that changes rarely shows late that something of it is missing.
SILENCE_KNOWN = 10 * SECOND


class SymbolFeed:
    """`exchange` is the venue's name on the log. `wants` and `pushes` are taken by the caller after each call."""

    def __init__(self, symbol: str, exchange: str, counts: Completeness) -> None:
        self.symbol = symbol
        self.exchange = exchange
        self.wants: list[Want] = []
        self.pushes: list[Told] = []
        self.gap: Gap | None = None
        self.gaps: deque[Gap] = deque(maxlen=GAPS_KEPT)
        self._counts = counts
        self._chain = VersionChain()
        self._seen = TradesSeen()
        self._candles = CandleCheck()
        self._carriers: dict[Kind, list[str]] = {}
        self._heard_at: int | None = None
        self._silence = (-SECOND, -SECOND)  # the last time that nothing was heard for a while
        self._newest: dict[Kind, int] = {}
        self._ticker: tuple[Decimal, ...] = ()
        self._funding: tuple[Decimal, int] | None = None
        self._funding_hours: int | None = None
        self._funding_held: FundingRate | None = None  # heard before the interval was known
        self._book_wanted = False
        self._now = 0
        self._at = Position("", 0)

    @property
    def has_book(self) -> bool:
        """Whether the book is whole."""
        return self._chain.version is not None

    @property
    def _hears_all(self) -> bool:
        """Whether changes of the book and trades are carried: a whole book is told only then, for it ends what is marked as missing."""
        return bool(self._carriers.get(Kind.DEPTH) and self._carriers.get(Kind.DEALS))

    def begin(self, now: int, at: Position) -> None:
        """What follows is heard at `now`, and stands `at` in its source."""
        self._now, self._at = now, at

    def on_event(self, source: str, event: Event) -> None:
        if self._heard_at is not None and self._now - self._heard_at > SILENT:
            self._silence = (self._heard_at, self._now)
        match event:
            case Deals():
                self._deals(source, event)
            case BookTicker():
                self._book_ticker(source, event)
            case DepthChange():
                self._depth(event)
            case DepthSnapshot():
                self.on_book(event)
            case Kline():
                self._candles.on_kline(event, self._now)
            case FairPrice():
                if self._is_newer(source, Kind.FAIR_PRICE, event):
                    self._push(event.event_time, mark_price=event.price)
            case IndexPrice():
                if self._is_newer(source, Kind.INDEX_PRICE, event):
                    self._push(event.event_time, index_price=event.price)
            case FundingRate():
                self._funding_rate(event)
            case _:
                raise AssertionError(f"an event of a kind that protocols do not tell: {event}")
        self._heard_at = self._now
        self._compare()

    def acknowledged(self, source: str, kind: Kind) -> None:
        """A connection carries a channel of this symbol from here on."""
        carriers = self._carriers.setdefault(kind, [])
        if source not in carriers:
            carriers.append(source)
        if len(carriers) > 1:
            return
        if kind in {Kind.DEPTH, Kind.DEALS} and self._hears_all:
            self.want_book()
        if kind is Kind.FUNDING_RATE:
            # Each time that the channel begins anew: an exchange may settle more often than it did.
            self.wants.append(Want(self.symbol, Kind.FUNDING_RATE, self._now))
        if kind is Kind.DEALS:
            if self.gap is not None and self.gap.trades:
                self._want_trades(self.gap)
            elif self._candles.whole_from is None:
                self._candles.begin(self._now)

    def ended(self, source: str, *, lost: bool) -> None:
        """A connection is gone. `lost`: not because another one carries all of it."""
        without = [kind for kind, carriers in self._carriers.items() if source in carriers and len(carriers) == 1]
        for carriers in self._carriers.values():
            if source in carriers:
                carriers.remove(source)
        self._seen.end(source)
        if lost and without:
            self._newest.clear()
            self.open_gap(Cause.CONNECTION, book=Kind.DEPTH in without, trades=Kind.DEALS in without)

    def open_gap(self, cause: Cause, *, book: bool = True, trades: bool = True, begin: int | None = None) -> None:
        """Says that something is missing; the book is asked for once a connection carries its changes."""
        begin = begin if begin is not None else (self._heard_at or self._now)
        self._counts.gaps[cause.value] += 1
        if self.gap is None:
            self.gap = Gap(cause, begin, book, trades)
        else:
            self.gap.book, self.gap.trades = self.gap.book or book, self.gap.trades or trades
            self.gap.begin = min(self.gap.begin, begin)
        self._chain = VersionChain()
        self._push(None, gap=True)
        self.gap.book = True
        if self._hears_all:
            self.want_book()
        if trades:
            # What REST was asked before does not reach to here.
            self.gap.trades_asked = self._now + 1
            if self._carriers.get(Kind.DEALS):
                self._want_trades(self.gap)

    def away(self, since: int) -> None:
        """The feed itself was away since then: what was said meanwhile is not told, for it may have been."""
        self.open_gap(Cause.RESTART, trades=False, begin=since)
        assert self.gap is not None, "it was just opened"
        self.gap.trades_lost = True

    def want_book(self) -> None:
        if not self._book_wanted:
            self._book_wanted = True
            self.wants.append(Want(self.symbol, Kind.DEPTH, self._now))

    def _want_trades(self, gap: Gap) -> None:
        gap.trades_asked = self._now
        self.wants.append(Want(self.symbol, Kind.DEALS, self._now, gap.begin))

    def on_book(self, book: DepthSnapshot) -> None:
        """The whole book; one that is too old for the changes held is asked for again."""
        self._book_wanted = False
        if not self._hears_all:
            # Its changes or the trades are not heard: it is asked for again once they are.
            return
        change = self._chain.on_snapshot(book.version, book.bids, book.asks)
        if change.snapshot:
            self._book_push(book.event_time, change)
            if self.gap is not None:
                self.gap.book = False
                self._close_gap()
        elif self._chain.version is None:
            self.want_book()

    def on_funding(self, answer: FundingAnswer) -> None:
        """The interval, with which what was held back can be told."""
        self._funding_hours = answer.interval_hours
        self._funding_rate(self._funding_held or answer.rate)
        self._funding_held = None

    def on_trades(self, answer: TradesAnswer) -> None:
        """Recent trades by REST: those that are missing are told."""
        gap = self.gap
        if gap is None or not gap.trades or answer.asked < gap.trades_asked:
            return
        reaches = bool(answer.trades) and answer.trades[0].time <= answer.since
        if answer.trades and not self._seen.agrees(answer.trades, before=answer.since - SECOND):
            reaches = False
        else:
            known = max(self._seen.since, answer.since - SECOND)
            source = f"rest@{self._now}"
            # All are counted, so that equal ones are told apart; what is older than what is known was told.
            missing = self._seen.new(source, [trade for trade in answer.trades if trade.time >= known], by_id=False)
            self._seen.end(source)
            if missing:
                self._counts.trades_backfilled += len(missing)
                self._candles.on_trades(missing)
                self._push(None, trades=missing)
            elif reaches and gap.cause is Cause.CANDLE:
                self._counts.candles_wrong += 1
        if not reaches:
            gap.trades_lost = True
            self._candles.begin(self._now)
        gap.trades = False
        self._close_gap()

    def _deals(self, source: str, event: Deals) -> None:
        before = self._seen.duplicates
        new = self._seen.new(source, event.trades)
        self._counts.duplicates["trades"] += self._seen.duplicates - before
        if new:
            self._candles.on_trades(new)
            self._push(event.event_time, trades=new)

    def _book_ticker(self, source: str, event: BookTicker) -> None:
        quoted = (event.bid, event.bid_quantity, event.ask, event.ask_quantity)
        if event.version is not None:
            if event.version <= self._newest.get(Kind.BOOK_TICKER, -1):
                self._counts.duplicates["book_ticker"] += 1
                return
            self._newest[Kind.BOOK_TICKER] = event.version
        elif quoted == self._ticker or not self._leads(source, Kind.BOOK_TICKER):
            self._counts.duplicates["book_ticker"] += 1
            return
        self._ticker = quoted
        bid, bid_quantity, ask, ask_quantity = quoted
        self._push(
            event.event_time, best_bid=bid, best_bid_quantity=bid_quantity, best_ask=ask, best_ask_quantity=ask_quantity,
            update_id=event.version,
        )  # fmt: skip

    def _depth(self, event: DepthChange) -> None:
        reached = self._chain.reached
        if reached is not None and event.version <= reached:
            self._counts.duplicates["depth"] += 1
            return
        had_book = self._chain.version is not None
        change = self._chain.on_diff(Diff(event.previous, event.version, event.bids, event.asks))
        if self._chain.version is not None:
            self._book_push(event.event_time, change)
        elif had_book:
            chain = self._chain
            # Where nothing at all was heard for a while just before, more is missing than a depth frame.
            begin, end = self._silence
            silent = self._now - end < SILENCE_KNOWN
            self.open_gap(Cause.VERSION, trades=silent, begin=begin if silent else None)
            # The diff that did not join is the first of those that the next whole book is joined by.
            self._chain = chain

    def _book_push(self, event_time: int | None, change: BookChange) -> None:
        if change.bids or change.asks or change.snapshot:
            self._push(event_time, bids=change.bids, asks=change.asks, snapshot=change.snapshot, update_id=change.update_id)

    def _funding_rate(self, event: FundingRate) -> None:
        if self._funding_hours is None:
            self._funding_held = event
            return
        said = (event.rate, event.settlement_time)
        if said == self._funding or (self._funding is not None and event.settlement_time < self._funding[1]):
            return
        self._funding = said
        self.pushes.append(FundingNotice(
            exchange=self.exchange, symbol=self.symbol, event_time=event.event_time, receive_time=self._now, source=self._at,
            rate=event.rate, interval_hours=self._funding_hours, settlement_time=event.settlement_time, provisional=True,
        ))  # fmt: skip

    def _compare(self) -> None:
        before = self._candles.compared
        differing = self._candles.differing(self._now)
        self._counts.candles_compared += self._candles.compared - before
        for mismatch in differing:
            # Also while another gap is open: what that one asks for may not reach to here.
            self.open_gap(Cause.CANDLE, begin=mismatch.start)

    def _is_newer(self, source: str, kind: Kind, event: Event) -> bool:
        if event.event_time is None:
            return self._leads(source, kind)
        if event.event_time <= self._newest.get(kind, -1):
            return False
        self._newest[kind] = event.event_time
        return True

    def _leads(self, source: str, kind: Kind) -> bool:
        """Of several connections that carry a channel the eldest is believed, where nothing numbers what they say."""
        carriers = self._carriers.get(kind)
        return not carriers or carriers[0] == source

    def _close_gap(self) -> None:
        if self.gap is not None and not self.gap.book and not self.gap.trades:
            self.gap.end = self._now
            self._counts.closed(self.symbol, self.gap)
            self.gaps.append(self.gap)
            self.gap = None

    def _push(
        self, event_time: int | None, *, trades: list[Trade] | None = None, bids: list[Level] | None = None,
        asks: list[Level] | None = None, **content: object,
    ) -> None:  # fmt: skip
        self.pushes.append(Push(
            exchange=self.exchange, symbol=self.symbol, event_time=event_time, receive_time=self._now, source=self._at,
            trades=trades or [], bids=bids or [], asks=asks or [], **content,  # type: ignore[arg-type]
        ))  # fmt: skip

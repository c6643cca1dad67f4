"""
Resting orders on real recordings, against a plain recomputation that shares nothing with the code: two dicts for the book, one
order at a time, every rule of the pessimistic queue written down once more.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import pytest

from streams.domain.parameters import FeedParameters, SessionSettings
from streams.domain.records import Liquidity, MarketData, OrderResult, OrderType, ResultStatus, Side
from streams.stages.contract import Event
from streams.stages.execution import ExecutionStage, ExecutionState
from tests.domain.market import D, make_order, recording

LATENCY = 50_000
BEHIND = 100_000  # µs within which a shrinking and a trade are the same thing
EACH = 1500  # records between orders
LIFE = 120_000_000


class Wanted(NamedTuple):
    name: str
    side: Side
    price: Decimal
    quantity: Decimal
    arrives: int


class NaiveBook:
    """Bids and asks by price, and the ticker that is newer than they are."""

    def __init__(self) -> None:
        self.sides: dict[Side, dict[Decimal, Decimal]] = {Side.BUY: {}, Side.SELL: {}}
        self.whole = False
        self.levels_id = self.ticker_id = 0
        self.ticker: MarketData | None = None

    def take(self, data: MarketData) -> None:
        if data.gap:
            self.whole, self.sides, self.ticker_id = False, {Side.BUY: {}, Side.SELL: {}}, -1
        if data.snapshot:
            self.whole, self.sides, self.levels_id = True, {Side.BUY: {}, Side.SELL: {}}, 0
        if self.whole and (data.bids or data.asks) and (data.update_id or 0) > self.levels_id:
            for side, changes in ((Side.BUY, data.bids), (Side.SELL, data.asks)):
                for change in changes:
                    self.sides[side][change.price] = change.quantity
            self.levels_id = data.update_id or 0
        if data.best_bid is not None and (data.update_id or 0) > self.ticker_id:
            self.ticker, self.ticker_id = data, data.update_id or 0

    def level(self, side: Side, price: Decimal) -> Decimal:
        best = self.best(side)
        if self.ticker is not None and self.ticker_id > self.levels_id:
            quantity = self.ticker.best_bid_quantity if side is Side.BUY else self.ticker.best_ask_quantity
            if price == best:
                return quantity or D(0)
            if price > best if side is Side.BUY else price < best:
                return D(0)
        return self.sides[side].get(price, D(0))

    def best(self, side: Side) -> Decimal:
        if self.ticker is not None and self.ticker_id > self.levels_id:
            best = self.ticker.best_bid if side is Side.BUY else self.ticker.best_ask
            assert best is not None
            return best
        prices = (price for price, quantity in self.sides[side].items() if quantity)
        return max(prices) if side is Side.BUY else min(prices)


def recomputed(records: tuple[MarketData, ...], order: Wanted) -> Iterator[tuple[int, Decimal, str]]:
    """The first fills (time, quantity, how) of an order that joins behind the best level, until the market has come to it."""
    book = NaiveBook()
    ahead = shrunk = D(-1)
    shrunk_at = 0
    left = order.quantity
    buy = order.side is Side.BUY
    for data in records:
        if data.time > order.arrives and ahead < 0:
            ahead, shrunk = book.level(order.side, order.price), D(0)
        book.take(data)
        if ahead < 0:
            continue
        got, how = D(0), ""
        for trade in data.trades:
            if trade.time < order.arrives:
                continue
            if trade.price == order.price and trade.aggressor is not order.side:
                if data.time - shrunk_at > BEHIND:
                    shrunk = D(0)
                before = ahead + shrunk
                beyond = max(trade.quantity - before, D(0))
                ahead = min(ahead, max(before - trade.quantity, D(0)))
                shrunk = max(before - trade.quantity, D(0)) - ahead
                filled, how = min(beyond, left), "queue_pessimistic"
            elif trade.price < order.price if buy else trade.price > order.price:
                ahead = shrunk = D(0)
                filled, how = min(trade.quantity, left), "trade_through"
            else:
                continue
            got += filled
            left -= filled
        if got:
            yield data.time, got, how
        if not left:
            return
        ticker = data.best_bid if buy else data.best_ask
        deltas = data.bids if buy else data.asks
        spoken = ticker is not None and (ticker <= order.price if buy else ticker >= order.price)
        if spoken or data.snapshot or any(level.price == order.price for level in deltas):
            shown = book.level(order.side, order.price)
            if shown < ahead:
                shrunk = (shrunk if data.time - shrunk_at <= BEHIND else D(0)) + ahead - shown
                ahead, shrunk_at = shown, data.time
        opposite = book.best(Side.SELL if buy else Side.BUY)
        if opposite <= order.price if buy else opposite >= order.price:
            return  # from here on it gets what is displayed


def replayed(records: tuple[MarketData, ...]) -> tuple[list[Wanted], dict[str, list[OrderResult]]]:
    """A small limit order at the best level, each in a venue of its own among many, and what they got."""
    symbol = records[0].symbol
    stage = ExecutionStage(SessionSettings(feed=FeedParameters(symbols=(symbol,))), 0)
    state: ExecutionState = stage.initial(0)
    wanted: list[Wanted] = []
    due: list[Event] = []
    answers: dict[str, list[OrderResult]] = {}

    def step(event: Event) -> None:
        nonlocal state
        state, outputs = stage.step(state, event)
        for output in outputs:
            answer = output.record
            assert isinstance(answer, OrderResult)
            answers.setdefault(answer.order_id, []).append(answer)

    for number, data in enumerate(records):
        while True:
            timer = stage.next_timer(state)
            times = ([timer.time] if timer else []) + ([due[0].time + 0.5] if due else [])
            if not times or min(times) >= data.time:
                break
            if timer is not None and timer.time == min(times):
                step(Event(timer.time, "timer", timer.key, None, f"test/timer/{timer.time}", timer.name))
            else:
                step(due.pop(0))
        step(Event(data.time, "market_data", symbol, data, data.event_id))
        venue = state.venues[symbol]
        if number % EACH == EACH - 1 and not venue.buys and not venue.sells and venue.book.present and not due:
            side = Side.BUY if number % (2 * EACH) == EACH - 1 else Side.SELL
            best = venue.book.bids.prices[-1] if side is Side.BUY else venue.book.asks.prices[0]
            order = make_order(
                side, "0.3", symbol=symbol, time=data.time, event_id=f"test/risk/{number}", order_type=OrderType.LIMIT_MAKER,
                limit_price=best, expires_at=data.time + LIFE, decision_mark=best,
            )  # fmt: skip
            due.append(Event(data.time + LATENCY, "orders", "main", order, order.event_id))
            wanted.append(Wanted(order.event_id, side, best, D("0.3"), data.time + LATENCY))
    return wanted, answers


@pytest.mark.parametrize("file", ["spot_btcusdt", "spot_ethusdt"])
def test_resting_orders_fill_on_a_recording_as_a_plain_recomputation_says(file):
    records = recording(f"{file}_20240808.jsonl.gz")
    wanted, answers = replayed(records)
    compared = 0
    for order in wanted:
        mine = answers.get(order.name, [])
        if mine and mine[0].status is ResultStatus.REJECTED:
            assert mine[0].reason in ("WOULD_TAKE", "BOOK_CROSSED")
            continue
        plain = list(recomputed(records, order))
        fills = [(one.fill_time, one.quantity, one.model) for one in mine if one.model.startswith(("queue", "trade"))]
        ends = [one.fill_time for one in mine if one.terminal and one.status is not ResultStatus.FILLED]
        until = min([one.fill_time for one in mine if one.quantity and one.model.startswith("book")] + ends, default=1 << 62)
        assert [one for one in fills if one[0] <= until] == [one for one in plain if one[0] <= until]
        compared += len(fills)
        for one in mine:
            assert one.fill_time >= order.arrives
            if one.quantity:
                assert one.liquidity is Liquidity.MAKER and one.slippage_bps is not None and one.slippage_bps <= 0
    filled = [name for name, mine in answers.items() if mine[-1].status is ResultStatus.FILLED]
    assert compared >= 5 and len(filled) >= 4, f"{compared} fills of {len(wanted)} orders"

"""What holds in the paper exchange whatever the market and the orders do."""

import random
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.execution.queue_model import QUEUE_MODELS
from streams.domain.execution.venue import standing
from streams.domain.money import ZERO
from streams.domain.records import Liquidity, OrderResult, OrderType, ResultStatus, Side
from tests.domain.execution_stories import BUY, MS, ORDER_LATENCY, SELL, Paper
from tests.domain.market import SYMBOL, D

KINDS = [kind for kind in OrderType if kind is not OrderType.CANCEL]
TAKER_RATE, MAKER_RATE = D("0.002"), D("0.001")
BOOK_FILLS = ("book_walk", "book_through")


class Watched:
    """A paper exchange beside its market as a child would keep it: what is displayed, what is traded, what was answered."""

    def __init__(self, rng: random.Random, **settings: Any) -> None:
        self.rng = rng
        self.paper = Paper(**settings)
        self.shown: dict[Side, dict[Decimal, Decimal]] = {BUY: {}, SELL: {}}  # bids under BUY
        self.left: dict[Side, dict[Decimal, Decimal]] = {BUY: {}, SELL: {}}
        self.void, self.orderly = True, False  # orderly: both sides displayed, and not crossed
        self.touches: dict[Side, Decimal] = {}  # the last that was displayed
        self.last_trade: Decimal | None = None
        self.sent: dict[str, tuple[OrderType, Side, Decimal, Decimal | None, int, str]] = {}
        self.filled: dict[str, Decimal] = defaultdict(Decimal)
        self.ended: dict[str, OrderResult] = {}
        self.places: dict[str, Decimal] = {}
        self.checked: set[int] = set()

    def run(self, steps: int) -> None:
        for _ in range(steps):
            act = self.rng.choice(("snapshot", "delta", "delta", "trades", "trades", "trades", "order", "order", "order", "cancel", "rare"))
            before = len(self.paper.answers)
            getattr(self, f"_{act}")()
            # What timers brought before the moment's own record.
            self._ends([answer for answer in self.paper.answers[before:] if id(answer) not in self.checked])
            self._check_queues(self.paper.answers[before:])
            if self.rng.random() < 0.1:
                raw = self.paper.stage.encode(self.paper.state)
                self.paper.state = self.paper.stage.decode(raw)
                assert self.paper.stage.encode(self.paper.state) == raw

    # The market

    def _levels(self, side: Side, count: int) -> dict[Decimal, Decimal]:
        return {self._price(side): D(self.rng.randrange(1, 40)) / 2 for _ in range(count)}

    def _price(self, side: Side | None = None) -> Decimal:
        shift = {BUY: -4, SELL: 4, None: 0}[side]
        return D(100) + D(self.rng.randrange(-5, 6) + shift) / 10

    def _snapshot(self) -> None:
        book = {side: self._levels(side, self.rng.randrange(4)) for side in Side}
        answers = self.paper.show(bids=_text(book[BUY]), asks=_text(book[SELL]))
        self._displayed(answers, [], book, book, void=False)

    def _delta(self) -> None:
        change = {side: self._levels(side, self.rng.randrange(3)) for side in Side}
        for side in Side:
            for price in self.shown[side]:
                if self.rng.random() < 0.3:
                    change[side][price] = D(self.rng.randrange(3))
        answers = self.paper.change(bids=_text(change[BUY]), asks=_text(change[SELL]))
        book = {side: {p: q for p, q in (self.shown[side] | change[side]).items() if q} for side in Side}
        empty: dict[Side, dict[Decimal, Decimal]] = {BUY: {}, SELL: {}}
        self._displayed(answers, [], empty if self.void else book, empty if self.void else change, void=self.void)

    def _trades(self) -> None:
        deals = [(self._price(), D(self.rng.randrange(1, 20)), self.rng.choice(list(Side))) for _ in range(self.rng.randrange(1, 4))]
        answers = self.paper.trades(*((str(price), str(quantity), side) for price, quantity, side in deals))
        self._displayed(answers, deals, self.shown, {BUY: {}, SELL: {}}, void=self.void)

    def _rare(self) -> None:
        match self.rng.randrange(4):
            case 0:
                answers = self.paper.market(gap=True)
            case 1:
                answers = self.paper.market(feed_down=True)
                assert answers == [], "with the feed down nothing fills"
            case _:
                self._ends(self.paper.wait(self.rng.randrange(1, 200) * MS))
                return
        self._displayed(answers, [], {BUY: {}, SELL: {}}, {BUY: {}, SELL: {}}, void=True)

    def _displayed(self, answers: list[OrderResult], deals: list[Any], book: Any, fresh: Any, *, void: bool) -> None:
        """A record's fills against its own trades and what it displays."""
        for side in Side:
            news = book[side] if book is fresh else {p: book[side].get(p, ZERO) for p in fresh[side]}
            kept = {} if book is fresh or void else {p: q for p, q in self.left[side].items() if p not in fresh[side]}
            self.left[side] = kept | news
        prices = set(self.touches.values()) | {price for price, _, _ in deals}
        if self.last_trade is not None and not self.orderly:
            prices.add(self.last_trade)
        self.shown, self.void = {side: dict(book[side]) for side in Side}, void
        best = {side: end(self.shown[side]) for side, end in ((BUY, max), (SELL, min)) if self.shown[side]}
        crossed = len(best) == 2 and best[BUY] >= best[SELL]
        self.orderly = len(best) == 2 and not crossed
        if not crossed:
            self.touches |= best
        prices |= set(self.touches.values())
        traded = ZERO
        for answer in answers:
            if not answer.quantity:
                continue
            if answer.model in BOOK_FILLS:
                self._take(answer)
            else:
                traded += answer.quantity
                assert any(self._reaches(answer, price) for price, _, _ in deals)
            if answer.model != "book_walk":
                assert min(prices) <= answer.price <= max(prices), f"{answer.price} is outside of {sorted(prices)}"
        assert traded <= sum((quantity for _, quantity, _ in deals), ZERO), "more filled than traded"
        self._ends(answers)
        self.last_trade = deals[-1][0] if deals else self.last_trade

    def _reaches(self, answer: OrderResult, price: Decimal) -> bool:
        limit = self.sent[answer.order_id][3]
        return limit is not None and (price <= limit if answer.side is BUY else price >= limit)

    def _take(self, answer: OrderResult) -> None:
        """Takes a fill from what is displayed and left, best first: all of it must be there, at these prices."""
        other = SELL if answer.side is BUY else BUY
        left, wanted, notional = self.left[other], answer.quantity, ZERO
        for price in sorted(left, reverse=other is BUY):
            used = min(left[price], wanted)
            if used:
                limit = self.sent[answer.order_id][3]
                assert limit is None or self._reaches(answer, price), "taken beyond the limit price"
                left[price] -= used
                wanted -= used
                notional += used * price
        assert wanted == 0, "more filled than displayed"
        if answer.model == "book_walk":
            assert answer.notional == notional

    # Orders

    def _order(self) -> None:
        kind, side, quantity = self.rng.choice(KINDS), self.rng.choice(list(Side)), D(self.rng.randrange(1, 30)) / 2
        limit = None if kind in (OrderType.MARKET, OrderType.STOP) else self._price(side)
        account = self.rng.choice(("main", "other"))
        lasts = self.rng.choice((None, None, 30 * MS, 400 * MS))
        name = f"test/risk/order/{self.paper.orders + 1}"
        self.sent[name] = (kind, side, quantity, limit, self.paper.now + MS, account)
        answers = self.paper.order(
            kind, side, str(quantity), limit=limit and str(limit), stop=str(self._price()), lasts=lasts, account=account
        )
        for answer in answers:
            if answer.model == "book_walk" and answer.quantity:
                self._take(answer)
        self._ends(answers)

    def _cancel(self) -> None:
        if self.sent:
            target = self.rng.choice(list(self.sent))
            self._ends(self.paper.cancel(target, account=self.sent[target][5]))

    def _ends(self, answers: list[OrderResult]) -> None:
        for answer in answers:
            self.checked.add(id(answer))
            kind, side, quantity, _, arrived, account = self.sent[answer.order_id]
            assert answer.order_id not in self.ended, "an order ends once, and nothing comes after"
            assert (answer.account, answer.side, answer.symbol) == (account, side, SYMBOL)
            self.filled[answer.order_id] += answer.quantity
            assert answer.cumulative_quantity == self.filled[answer.order_id] <= quantity
            assert answer.remaining_quantity == quantity - self.filled[answer.order_id]
            assert answer.fill_time >= arrived and answer.latency_us == answer.fill_time - arrived + ORDER_LATENCY
            assert answer.terminal == (answer.status is not ResultStatus.PARTIAL)
            assert (answer.status is ResultStatus.FILLED) == (answer.terminal and not answer.remaining_quantity)
            rate = {Liquidity.MAKER: MAKER_RATE, Liquidity.TAKER: TAKER_RATE, Liquidity.NONE: ZERO}[answer.liquidity]
            assert answer.fee == answer.notional * rate
            assert answer.liquidity is not Liquidity.TAKER or kind is not OrderType.LIMIT_MAKER
            if answer.quantity:
                assert answer.market_event_id == f"test/feed/sim/{SYMBOL}/{self.paper.records}"
            if answer.terminal:
                self.ended[answer.order_id] = answer

    def _check_queues(self, answers: list[OrderResult]) -> None:
        assert all(answer.order_id in self.sent for answer in answers)
        alive = {order.order_id for order in standing(self.paper.venue)} if self.paper.records else set()
        told = set(self.sent) - set(self.ended) - {one.order.order_id for one in self.paper.venue.on_their_way} if self.sent else set()
        assert alive == told, "an order that has not ended stands in the market"
        for order in standing(self.paper.venue) if alive else ():
            ahead = order.queue.ahead
            before = self.places.get(order.order_id)
            assert before is None or (ahead is not None and 0 <= ahead <= before), "the queue grew"
            if ahead is not None and not order.waiting:
                self.places[order.order_id] = ahead


def _text(side: dict[Decimal, Decimal]) -> list[str]:
    return [f"{price}:{quantity}" for price, quantity in side.items()]


@pytest.mark.parametrize("model", QUEUE_MODELS)
@given(seed=st.integers(0, 2**48), trigger=st.sampled_from(["last_trade", "mid"]))
@settings(deadline=None)
def test_fills_stay_within_the_market_orders_end_once_and_queues_never_grow(model, seed, trigger):
    watched = Watched(random.Random(seed), queue_model=model, stop_trigger=trigger)
    watched.paper.show(bids=["99:5"], asks=["101:5"])
    watched._displayed([], [], *([{BUY: {D(99): D(5)}, SELL: {D(101): D(5)}}] * 2), void=False)
    watched.run(60)


def test_long_runs_reach_every_kind_of_fill():
    """What the invariant above is about must occur, or it says nothing."""
    watched = Watched(random.Random(11), queue_model="proportional")
    watched.paper.show(bids=["99:5"], asks=["101:5"])
    watched._displayed([], [], *([{BUY: {D(99): D(5)}, SELL: {D(101): D(5)}}] * 2), void=False)
    watched.run(1500)
    models = {answer.model for answer in watched.paper.answers if answer.quantity}
    assert models == {"book_walk", "book_through", "trade_through", "queue_proportional"}

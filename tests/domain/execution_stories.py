"""A paper exchange of one symbol for tests: the market and orders in, answers out, timers in between."""

from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import Any

from streams.domain.execution.venue import Venue
from streams.domain.execution.working import Working
from streams.domain.money import EXACT
from streams.domain.parameters import ExecutionParameters, FeedParameters, SessionSettings
from streams.domain.records import (
    Instrument,
    MarketData,
    Order,
    OrderResult,
    OrderType,
    Record,
    Side,
)
from streams.stages.contract import Event, Output
from streams.stages.execution import ExecutionStage, ExecutionState
from tests.domain.market import START, SYMBOL, levels, make_instrument, make_market, make_order, make_snapshot, trade

MS = 1000
ORDER_LATENCY = 50 * MS
BUY, SELL = Side.BUY, Side.SELL


def make_settings(**execution: Any) -> SessionSettings:
    return SessionSettings(
        accounts=({"name": "main"}, {"name": "other"}), feed=FeedParameters(symbols=(SYMBOL,)),
        execution=ExecutionParameters(order_latency_ms=50, report_latency_ms=70, **execution),
    )  # fmt: skip


class Paper:
    """Every call is a moment of its own, a millisecond after the last; timers fire when they are due."""

    def __init__(self, *, instrument: Instrument | None = None, **execution: Any) -> None:
        self.stage = ExecutionStage(make_settings(**execution), 0)
        self.state: ExecutionState = self.stage.initial(0)
        self.now = START
        self.records = 0
        self.orders = 0
        self.answers: list[OrderResult] = []
        self.outputs: list[Output] = []
        self._step("instruments", instrument or make_instrument(tick_size=Decimal("0.1"), lot_size=Decimal("0.1")))

    @property
    def venue(self) -> Venue:
        return self.state.venues[SYMBOL]

    def standing(self, order: str) -> Working:
        """An order that rests or waits."""
        venue = self.venue
        [found] = [one for one in (*venue.buys, *venue.sells, *venue.stops) if one.order_id == order]
        return found

    def ahead(self, order: str) -> Decimal | None:
        return self.standing(order).queue.ahead

    # The market

    def show(self, *, bids: Iterable[str] = (), asks: Iterable[str] = (), **changes: Any) -> list[OrderResult]:
        """A snapshot of levels as "price:quantity"."""
        return self.market(make_snapshot, bids=levels(*bids), asks=levels(*asks), **changes)

    def change(self, *, bids: Iterable[str] = (), asks: Iterable[str] = (), **changes: Any) -> list[OrderResult]:
        """A depth delta."""
        return self.market(make_market, bids=levels(*bids), asks=levels(*asks), **changes)

    def trades(self, *deals: tuple[str, str, Side], **changes: Any) -> list[OrderResult]:
        """Trades as (price, quantity, aggressor), at this moment."""
        at = changes.pop("traded_at", self.now + MS)
        made = [trade(price, quantity, time=at, aggressor=side) for price, quantity, side in deals]
        return self.market(make_market, trades=made, **changes)

    def market(self, make: Any = make_market, **changes: Any) -> list[OrderResult]:
        self.records += 1
        self._move(self.now + MS)
        return self._step("market_data", make(self.now, sequence=self.records, update_id=self.records, **changes))

    # Orders

    def order(
        self, kind: OrderType, side: Side = BUY, quantity: str = "1", *, limit: str | None = None, stop: str | None = None,
        lasts: int | None = None, **changes: Any,
    ) -> list[OrderResult]:
        """An order that reaches the market now, or sets out on the rest of its way; `lasts`: µs from now to its expiry."""
        self.orders += 1
        self._move(self.now + MS)
        fields: dict[str, Any] = {
            "event_id": f"test/risk/order/{self.orders}", "order_type": kind,
            "limit_price": None if limit is None else Decimal(limit), "stop_price": None if stop is None else Decimal(stop),
            "expires_at": None if lasts is None else self.now + lasts,
        }  # fmt: skip
        return self._step("orders", make_order(side, quantity, time=self.now - ORDER_LATENCY, **(fields | changes)))

    def cancel(self, target: str, **changes: Any) -> list[OrderResult]:
        """A cancellation that reaches the market now; `target` as of `name`."""
        return self.order(OrderType.CANCEL, target_order_id=target, quantity="0", **changes)

    @property
    def name(self) -> str:
        """The id of the newest order."""
        return f"test/risk/order/{self.orders}"

    # Time

    def wait(self, microseconds: int) -> list[OrderResult]:
        """Whatever timers bring."""
        before = len(self.answers)
        self._move(self.now + microseconds)
        return self.answers[before:]

    def _move(self, time: int) -> None:
        while True:
            timer = self.stage.next_timer(self.state)
            if timer is None or timer.time > time:
                break
            assert timer.time > self.now, "a timer is always later than what was stepped"
            self.now = timer.time
            self._take(Event(timer.time, "timer", timer.key, None, f"test/timer/{timer.time}", timer.name))
        self.now = time

    def _step(self, topic: str, record: Record) -> list[OrderResult]:
        return self._take(Event(self.now, topic, "", record, record.event_id))

    def _take(self, event: Event) -> list[OrderResult]:
        with localcontext(EXACT):
            self.state, outputs = self.stage.step(self.state, event)
        self.outputs += outputs
        made = [output.record for output in outputs]
        assert all(isinstance(answer, OrderResult) and answer.time == event.time + 70 * MS for answer in made)
        self.answers += made
        return made


def said(answers: Iterable[OrderResult]) -> list[tuple[str, str | None, Decimal, Decimal | None, str]]:
    """What matters most of each answer: status, reason, quantity, price, model."""
    return [
        (answer.status.value, answer.reason, answer.quantity, answer.price, answer.model if answer.quantity else "")
        for answer in answers
    ]


__all__ = ["BUY", "MS", "ORDER_LATENCY", "SELL", "START", "SYMBOL", "MarketData", "Order", "Paper", "make_settings", "said"]

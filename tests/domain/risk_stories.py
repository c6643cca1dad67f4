"""A small market and one account for tests of the risk stage: events in, records out."""

from collections.abc import Iterable
from decimal import Decimal, setcontext
from typing import Any, TypeVar

import msgspec

from streams.domain.ids import cause_of, output_id
from streams.domain.money import EXACT
from streams.domain.parameters import AccountParameters, RiskParameters, SessionSettings, StrategyParameters
from streams.domain.records import (
    Command,
    CommandKind,
    Instrument,
    InstrumentKind,
    InstrumentStatus,
    Liquidity,
    Mark,
    MarkSource,
    Order,
    OrderResult,
    Record,
    ResultStatus,
    Side,
    Signal,
)
from streams.domain.risk.state import Account, RiskState
from streams.stages.contract import Event
from streams.stages.risk import RiskStage

# Hosts step under this context; tests of single functions do as well.
setcontext(EXACT.copy())

D = Decimal
SECOND = 1_000_000
START = 1_700_000_000 * SECOND  # 22:13:20 UTC, 20 s into a minute
LATENCY = 100_000

R = TypeVar("R", bound=Record)


# How often and after what one may trade is not what most stories are about.
UNCOUNTED: dict[str, Any] = {
    "allocation_warmup": D(1), "max_open_positions": 100, "max_positions_a_symbol": 20, "max_trades_an_hour": 10_000,
    "max_orders_a_second": 1000, "stop_out_cooldown_sec": 0, "max_consecutive_losses": 1000,
}


def make_settings(
    *, accounts: Iterable[AccountParameters] | None = None, risk_tasks: int = 1, documented: bool = False,
    entries: dict[str, Any] | None = None, **risk: Any,
) -> SessionSettings:
    """
    The documented defaults, but for the limits in `UNCOUNTED` where not `documented`; keywords change risk's own settings.

    `entries` are the settings of how both strategies enter.
    """
    accounts = tuple(accounts) if accounts is not None else (AccountParameters(),)
    names = tuple(account.name for account in accounts)
    given: dict[str, Any] = {"kind": "momentum", "accounts": names} | (entries or {})
    return SessionSettings(
        session="story", accounts=accounts, risk_tasks=risk_tasks,
        risk=RiskParameters(**(({} if documented else UNCOUNTED) | risk)),
        strategies=(
            StrategyParameters(name="momentum", **given),
            StrategyParameters(name="other", **given),
            StrategyParameters(name="resting", **given | {"enabled": False}),
        ),
    )


def make_instrument(symbol: str, **changes: Any) -> Instrument:
    return msgspec.structs.replace(
        Instrument(
            event_id=f"story/feed/binance/{symbol}/instrument", causation_id="", correlation_id="", session="story",
            time=START, exchange="binance", symbol=symbol, kind=InstrumentKind.SPOT,
            base_asset=symbol.removesuffix("USDT"), quote_asset="USDT", tick_size=D("0.01"), lot_size=D("0.001"),
            quantity_min=D("0.001"), notional_min=D(10), contract_size=D(1), maker_fee_rate=D("0.0002"),
            taker_fee_rate=D("0.0006"), leverage_max=D(1), tiers="[]", status=InstrumentStatus.ONLINE, valid_from=0,
            valid_to=None,
        ),
        **changes,
    )


class Story:
    """A stage with its state, a clock that the test moves, and what came out so far."""

    def __init__(
        self, settings: SessionSettings | None = None, *, symbols: Iterable[str] = ("BTCUSDT",), task: int = 0
    ) -> None:
        self.stage = RiskStage(settings or make_settings(), task)
        self.state: RiskState = self.stage.initial(task)
        self.now = START
        self.told = 0
        self.records: list[Record] = []
        for symbol in symbols:
            self.tell("instruments", symbol, make_instrument(symbol))

    def account(self, name: str = "main") -> Account:
        return self.state.accounts[name]

    def tell(self, topic: str, key: str, record: Record) -> list[Record]:
        """Steps one record now, after every timer that is due, and names what comes out as a task does."""
        made = self.wait_until(self.now)
        return made + self._step(Event(self.now, topic, key, record, record.event_id or self._id(topic)))

    def wait(self, seconds: str | int) -> list[Record]:
        return self.wait_until(self.now + int(D(seconds) * SECOND))

    def wait_until(self, time: int) -> list[Record]:
        """Fires every timer up to `time`."""
        made: list[Record] = []
        while (timer := self.stage.next_timer(self.state)) is not None and timer.time <= time:
            cause = f"story/timer/{timer.name}/{timer.key}/{timer.time}"
            made += self._step(Event(timer.time, "timer", timer.key, None, cause, timer.name))
        self.now = time
        return made

    def _id(self, topic: str) -> str:
        self.told += 1
        return f"story/{topic}/{self.told}"

    def _step(self, event: Event) -> list[Record]:
        self.state, outputs = self.stage.step(self.state, event)
        counts: dict[str, int] = {}
        made: list[Record] = []
        for output in outputs:
            index = counts[output.key] = counts.get(output.key, -1) + 1
            event_id = output_id("story", "risk", cause_of(event.cause_id), output.key, index)
            made.append(msgspec.structs.replace(output.record, event_id=event_id))
            assert output.record.time == event.time
        self.records += made
        return made

    def mark(
        self, price: str | Decimal, *, symbol: str = "BTCUSDT", after: str = "0.1", **changes: Any
    ) -> list[Record]:
        """A mark of a normal market `after` seconds from now."""
        made = self.wait(after)
        value = D(price)
        record = Mark(
            event_id=self._id(f"signals/{symbol}"), causation_id="", correlation_id="", session="story", time=self.now,
            symbol=symbol, mark=value, source=MarkSource.MID, index=None, last=value, best_bid=value - D("0.05"),
            best_bid_quantity=D(5), best_ask=value + D("0.05"), best_ask_quantity=D(5), gap=False, feed_down=False,
            book_present=True, book_crossed=False, book_time=self.now, market_time=self.now, spread_mean=None, depth=[],
            atr=None, volatility=None,
        )
        return made + self.tell("marks", symbol, msgspec.structs.replace(record, **changes))

    def signal(
        self, side: Side, price: str | Decimal, *, symbol: str = "BTCUSDT", account: str = "main", **changes: Any
    ) -> Order:
        """The decision on a signal now."""
        record = Signal(
            event_id=self._id(f"signals/{symbol}"), causation_id="", correlation_id="", session="story", time=self.now,
            account=account, strategy="momentum", symbol=symbol, side=side, strength=D(1), confidence=D(1),
            price=D(price), reason="", indicators="{}",
        )
        [order] = only(Order, self.tell("signals", account, msgspec.structs.replace(record, **changes)))
        return order

    def result(
        self, order: Order, *, price: str | Decimal, quantity: Decimal | None = None, fee: str | Decimal = "0",
        status: ResultStatus = ResultStatus.FILLED, terminal: bool = True, after: str = "0.1", reason: str | None = None,
        asset: str = "USDT",
    ) -> list[Record]:
        """An answer to `order`, one round of latency later; its fee is in `asset`."""
        made = self.wait(after)
        filled = order.quantity if quantity is None else quantity
        return made + self.tell("order_results", order.account, OrderResult(
            event_id=self._id("execution"), causation_id=order.event_id, correlation_id="", session="story",
            time=self.now, account=order.account, strategy=order.strategy, symbol=order.symbol,
            order_id=order.event_id, side=order.side, status=status, terminal=terminal, reason=reason, quantity=filled,
            price=D(price) if filled else None, notional=filled * D(price), cumulative_quantity=filled,
            remaining_quantity=order.quantity - filled, fee=D(fee), fee_asset=asset,
            liquidity=Liquidity.TAKER, decision_mark=order.decision_mark, slippage_bps=None, latency_us=LATENCY,
            fill_time=self.now - LATENCY // 2, model="book_walk", market_event_id=None,
        ))

    def reject(self, order: Order, *, after: str = "0.1") -> list[Record]:
        return self.result(order, price="1", quantity=D(0), status=ResultStatus.REJECTED, after=after)

    def command(self, kind: CommandKind, *, account: str = "main", **changes: Any) -> list[Record]:
        record = Command(
            event_id=self._id("command"), causation_id="", correlation_id="", session="story", time=self.now,
            account=account, kind=kind, symbol=None, operator="ann", justification="a test",
        )
        return self.tell("command", account, msgspec.structs.replace(record, **changes))

    def long(self, price: str = "100", *, symbol: str = "BTCUSDT", account: str = "main", fee: str = "0") -> Order:
        """A filled entry at `price`, where the mark stands as well."""
        self.mark(price, symbol=symbol)
        order = self.signal(Side.BUY, price, symbol=symbol, account=account)
        assert order.approved, order.rejection_code
        self.result(order, price=price, fee=fee)
        return order


def only(kind: type[R], records: Iterable[Record]) -> list[R]:
    return [record for record in records if isinstance(record, kind)]

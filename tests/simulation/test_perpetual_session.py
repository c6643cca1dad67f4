"""
A perpetual traded with leverage 10 in memory: from the simulated market over funding to a crash that liquidates, with the
identity held after every event, and replayed to the same bytes.
"""

from collections import Counter
from decimal import Decimal
from typing import NamedTuple

import pytest

from streams.domain.parameters import AccountParameters, FeedParameters, RiskParameters, SessionSettings, StrategyParameters
from streams.domain.records import LedgerEntry, LedgerKind, Level, PortfolioSnapshot, Position, Record
from streams.domain.risk.state import RiskState
from streams.exchange.push import Position as Place
from streams.exchange.push import Push
from streams.exchange.simulated import SimulatedFeed
from streams.exchange.writer import FeedWriter
from streams.log.codec import Codec
from streams.log.journal import read_range
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.log.memory_host import make_workers, run_turns
from streams.operate.topics import create_session
from streams.replay.verification.verify import Verdict, verify
from streams.stages.contract import Event, Output, StageFactory
from streams.stages.execution import ExecutionStage
from streams.stages.risk import RiskStage
from streams.stages.signals import SignalsStage

HOUR = 3_600_000_000
SECOND = 1_000_000
# A minute and a half before a full hour, which settles funding.
START = 1_700_000_000_000_000 // HOUR * HOUR + HOUR - 90 * SECOND
CODEC = Codec.offline()


class CheckedRisk(RiskStage):
    """The stage itself; after every event its books must add up to the last digit and its state survive its own bytes."""

    steps = 0

    def step(self, state: RiskState, event: Event) -> tuple[RiskState, list[Output]]:
        state, outputs = super().step(state, event)
        type(self).steps += 1
        for account in state.accounts.values():
            assert account.portfolio.is_exact(), f"{account.name} after {event}"
            for _, _, position in account.portfolio.each():
                assert position.margin >= 0 and (position.quantity or not position.margin)
            for _, _, position in account.portfolio.margined() if not account.cross_margin else ():
                assert position.margin + position.unrealized_pnl > position.maintenance, f"still open after {event}"
        if type(self).steps % 50 == 0:
            raw = self.encode(state)
            state = self.decode(raw)
            assert self.encode(state) == raw
        return state, outputs


STAGES: tuple[StageFactory, ...] = (SignalsStage, CheckedRisk, ExecutionStage)


class Session(NamedTuple):
    records: dict[str, list[Record]]
    verdict: Verdict

    def ledger(self, account: str) -> Counter[LedgerKind]:
        return Counter(e.kind for e in self.records["ledger_entries"] if isinstance(e, LedgerEntry) and e.account == account)


def make_settings() -> SessionSettings:
    accounts = tuple(
        AccountParameters(name=name, leverage=Decimal(10), margin_mode=mode, shorts_allowed=True, initial_equity=equity)
        for name, mode, equity in (
            ("apart", "ISOLATED", Decimal(100_000)), ("whole", "CROSS", Decimal(100_000)), ("small", "ISOLATED", Decimal(2_000)),
        )
    )  # fmt: skip
    strategy = StrategyParameters(
        name="momentum", kind="momentum", accounts=("apart", "whole", "small"), symbols=("BTC_USDT", "BTCUSDT"),
        parameters={
            "SIGNAL_LOOKBACK_MIN": "0.25", "SIGNAL_THRESHOLD_PCT": "0.05", "SIGNAL_MIN_VOLUME": "0", "SIGNAL_REPEAT_SEC": "1",
        },
    )  # fmt: skip
    return SessionSettings(
        session="crash", accounts=accounts, strategies=(strategy,), snapshot_interval_seconds=20,
        risk=RiskParameters.model_validate({
            "min_liquidation_distance": "0.05", "stop_loss_pct": "0.4", "risk_per_trade_pct": "0.1",
            "circuit_breaker_threshold_pct": "0.5", "max_daily_drawdown_pct": "0.2",
        }),
        feed=FeedParameters(symbols=("BTC_USDT", "BTCUSDT"), start_time=START, duration_seconds=110, rate_per_second=20, seed=3),
    )  # fmt: skip


def jump(last: Push, factor: str, *, after: int) -> Push:
    """The whole market `after` µs later at `factor` times the price."""
    price = last.mark_price
    assert price is not None and last.event_time is not None
    tick = Decimal("0.1")
    middle = (price * Decimal(factor)).quantize(tick)
    return Push(
        exchange=last.exchange, symbol=last.symbol, event_time=last.event_time + after, receive_time=last.receive_time + after,
        source=Place(last.source.place, last.source.number + after), mark_price=middle, index_price=middle, snapshot=True,
        update_id=(last.update_id or 0) + after, bids=[Level(middle - tick, Decimal(9))], asks=[Level(middle + tick, Decimal(9))],
    )  # fmt: skip


@pytest.fixture(scope="module")
def session() -> Session:
    settings = make_settings()
    log = MemoryLog()
    create_session(log, settings.session, feeds=settings.partitions, risk=settings.risk_tasks)
    feed = SimulatedFeed(settings.feed)
    writer = FeedWriter(log, CODEC, settings, code_version="test")
    writer.introduce(feed.instruments())
    workers = make_workers(log, STAGES, settings, CODEC, code_version="test")
    last: Push | None = None
    for number, push in enumerate(feed.pushes()):
        writer.put(push)
        if isinstance(push, Push) and push.symbol == "BTC_USDT":
            last = push
        if number % 100 == 0:
            writer.flush()
            run_turns(workers)
    assert last is not None
    # A fall takes the longs, a rise the shorts; 10 s apart, so that signals and exits fall between.
    for seconds, factor in ((1, "0.85"), (11, "1.2")):
        writer.put(jump(last, factor, after=seconds * SECOND))
    writer.finish()
    run_turns(workers)
    layout = Layout.of(settings)
    records = {
        topic: [
            CODEC.decode(message.value, layout.record_of(topic))
            for message in read_range(log, layout.at(topic, 0), 0, log.end_offset(layout.at(topic, 0)))
            if message.value is not None
        ]
        for topic in ("orders", "ledger_entries", "positions", "portfolio_snapshots", "alerts", "funding", "order_results")
    }
    return Session(records, verify(log, settings, CODEC, STAGES))


def test_perpetual_and_spot_are_traded_with_funding_and_liquidation_in_every_margin_mode(session: Session) -> None:
    assert len(session.records["funding"]) == 2, "one at the start, one after the settlement"
    for account in ("apart", "whole", "small"):
        kinds = session.ledger(account)
        assert kinds[LedgerKind.REALIZED_PNL] and kinds[LedgerKind.FEE], account
    assert session.ledger("apart")[LedgerKind.LIQUIDATION] and session.ledger("apart")[LedgerKind.LIQUIDATION_FEE]
    assert session.ledger("apart")[LedgerKind.FUNDING] or session.ledger("whole")[LedgerKind.FUNDING]
    symbols = {p.symbol for p in session.records["positions"] if isinstance(p, Position)}
    assert symbols == {"BTC_USDT", "BTCUSDT"}


def test_every_ledger_adds_up_to_its_account(session: Session) -> None:
    for account in ("apart", "whole", "small"):
        entries = [e for e in session.records["ledger_entries"] if isinstance(e, LedgerEntry) and e.account == account]
        last = [s for s in session.records["portfolio_snapshots"] if isinstance(s, PortfolioSnapshot) and s.account == account][-1]
        moved = sum((e.amount for e in entries), Decimal(0))
        assert last.initial_equity + moved + last.unrealized_pnl == last.equity
        assert sum((e.amount for e in entries if e.kind is LedgerKind.FUNDING), Decimal(0)) == last.funding


def test_the_session_is_replayed_to_the_same_bytes(session: Session) -> None:
    assert session.verdict.equal, str(session.verdict.divergences[0])
    assert CheckedRisk.steps > 1000

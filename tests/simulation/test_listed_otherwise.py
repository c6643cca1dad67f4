"""
A session on BTCUSDC and BTCUSDE, the pairs that are signed for, while the exchange pauses one of them, scales it anew, and delists it:
every ledger exact after every event, no new risk where the symbol is not traded, and replayed to the same bytes.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import pytest

from streams.domain.parameters import AccountParameters, FeedParameters, RiskParameters, SessionSettings, StrategyParameters
from streams.domain.records import Instrument, InstrumentStatus, LedgerEntry, Order, OrderResult, PortfolioSnapshot, Record
from streams.exchange.instruments import InstrumentSpec
from streams.exchange.mexc.listings import changed
from streams.exchange.push import InstrumentNotice, Push, Told
from streams.exchange.simulated import SimulatedFeed
from streams.exchange.writer import FeedWriter
from streams.log.codec import Codec
from streams.log.journal import read_range
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.log.memory_host import make_workers, run_turns
from streams.operate.topics import create_session
from streams.replay.verification.verify import Verdict, verify
from tests.simulation.test_perpetual_session import STAGES

SECOND = 1_000_000
START = 1_700_000_000_000_000
CODEC = Codec.offline()
PAIRS = {"usdc": ("USDC", "BTCUSDC"), "usde": ("USDE", "BTCUSDE")}
# When the listing of BTCUSDE is another one, and how; seconds from the start.
PAUSED, SCALED, DELISTED, END = 40, 60, 90, 120
COARSE_LOT, COARSE_TICK = Decimal("0.001"), Decimal("0.5")


class Session(NamedTuple):
    records: dict[str, list[Record]]
    verdict: Verdict

    def orders(self, symbol: str, begin: int, end: int) -> list[Order]:
        """The decisions of a span, seconds from the start."""
        found = [one for one in self.records["orders"] if isinstance(one, Order) and one.symbol == symbol]
        return [one for one in found if begin * SECOND <= one.time - START < end * SECOND]


def make_settings() -> SessionSettings:
    strategies = tuple(
        StrategyParameters(
            name=name, kind="momentum", accounts=(name,), symbols=(symbol,),
            parameters={
                "SIGNAL_LOOKBACK_MIN": "0.1", "SIGNAL_THRESHOLD_PCT": "0.02", "SIGNAL_MIN_VOLUME": "0", "SIGNAL_REPEAT_SEC": "1",
            },
        )
        for name, (_, symbol) in PAIRS.items()
    )  # fmt: skip
    return SessionSettings(
        session="pairs", strategies=strategies, snapshot_interval_seconds=20,
        accounts=tuple(AccountParameters(name=name, currency=currency) for name, (currency, _) in PAIRS.items()),
        risk=RiskParameters.model_validate({"max_trades_an_hour": 10_000, "stop_out_cooldown_sec": 0, "max_positions_a_symbol": 5}),
        feed=FeedParameters(
            symbols=tuple(symbol for _, symbol in PAIRS.values()), start_time=START, duration_seconds=END, rate_per_second=10, seed=3
        ),
    )  # fmt: skip


def told(feed: SimulatedFeed) -> Iterator[Told]:
    """The market, and between its pushes what a listing that was read again says."""
    known = {spec.symbol: spec for spec in feed.instruments()}
    usde = known["BTCUSDE"]
    coarse = {"lot_size": COARSE_LOT, "quantity_min": COARSE_LOT, "tick_size": COARSE_TICK}
    paused = known | {"BTCUSDE": usde.model_copy(update={"status": InstrumentStatus.PAUSED})}
    scaled = known | {"BTCUSDE": usde.model_copy(update=coarse)}
    # Listed no more.
    delisted = {"BTCUSDC": known["BTCUSDC"]}
    listings: list[tuple[int, dict[str, InstrumentSpec]]] = [
        (10, dict(known)), (PAUSED, paused), (SCALED, scaled), (DELISTED, delisted),
    ]  # fmt: skip
    for push in feed.pushes():
        while listings and isinstance(push, Push) and push.receive_time >= START + listings[0][0] * SECOND:
            _, heard = listings.pop(0)
            for spec in changed(known, heard, push.receive_time):
                known[spec.symbol] = spec
                yield InstrumentNotice(
                    exchange=push.exchange, symbol=spec.symbol, event_time=None, receive_time=push.receive_time, source=push.source,
                    spec=spec,
                )  # fmt: skip
        yield push


@pytest.fixture(scope="module")
def session() -> Session:
    settings, log = make_settings(), MemoryLog()
    create_session(log, settings.session, feeds=settings.partitions, risk=settings.risk_tasks)
    feed = SimulatedFeed(settings.feed)
    writer = FeedWriter(log, CODEC, settings, code_version="test")
    writer.introduce(feed.instruments())
    workers = make_workers(log, STAGES, settings, CODEC, code_version="test")
    for number, push in enumerate(told(feed)):
        writer.put(push)
        if number % 100 == 0:
            writer.flush()
            run_turns(workers)
    writer.finish()
    run_turns(workers)
    layout = Layout.of(settings)
    records = {
        topic: [
            CODEC.decode(message.value, layout.record_of(topic))
            for message in read_range(log, layout.at(topic, 0), 0, log.end_offset(layout.at(topic, 0)))
            if message.value is not None
        ]
        for topic in ("instruments", "orders", "ledger_entries", "portfolio_snapshots", "order_results")
    }
    return Session(records, verify(log, settings, CODEC, STAGES))


def test_each_version_stands_on_the_log_once_under_a_key_of_its_own(session: Session) -> None:
    found = [one for one in session.records["instruments"] if isinstance(one, Instrument)]
    assert [(one.symbol, one.status.value, one.lot_size) for one in found] == [
        ("BTCUSDC", "ONLINE", Decimal("0.00001")), ("BTCUSDE", "ONLINE", Decimal("0.00001")),
        ("BTCUSDE", "PAUSED", Decimal("0.00001")), ("BTCUSDE", "ONLINE", COARSE_LOT), ("BTCUSDE", "OFFLINE", COARSE_LOT),
    ]  # fmt: skip
    # So a log that kept the newest of each key alone would still hold all that was ever true.
    assert len({(one.symbol, one.valid_from) for one in found}) == len({one.event_id for one in found}) == len(found)


def test_both_pairs_trade_while_both_are_listed(session: Session) -> None:
    for symbol in ("BTCUSDC", "BTCUSDE"):
        assert any(one.approved for one in session.orders(symbol, 0, PAUSED)), symbol


@pytest.mark.parametrize(("begin", "end", "status"), [(PAUSED, SCALED, "PAUSED"), (DELISTED, END, "OFFLINE")])
def test_no_new_risk_where_a_symbol_is_paused_or_listed_no_more(session: Session, begin: int, end: int, status: str) -> None:
    # From the record's own time on, which may lie some ms after its second.
    there = session.orders("BTCUSDE", begin + 1, end)
    assert there and not any(one.approved for one in there)
    assert "INSTRUMENT_NOT_ONLINE" in {one.rejection_code for one in there}
    assert any(status in one.checks for one in there)
    # Nothing is filled there either: what was on its way is turned away.
    fills = [one for one in session.records["order_results"] if isinstance(one, OrderResult) and one.symbol == "BTCUSDE" and one.quantity]
    assert not any((begin + 1) * SECOND <= one.time - START < end * SECOND for one in fills)
    # The other pair goes on.
    assert any(one.rejection_code != "INSTRUMENT_NOT_ONLINE" for one in session.orders("BTCUSDC", begin, end))


def test_sizes_and_prices_step_by_the_version_that_holds(session: Session) -> None:
    approved = [one for one in session.orders("BTCUSDE", SCALED + 1, DELISTED) if one.approved]
    assert approved, "the pair trades again"
    for one in approved:
        assert one.quantity % COARSE_LOT == 0 or one.reduce_only, one
    fine = [one for one in session.orders("BTCUSDE", 0, PAUSED) if one.approved]
    assert any(one.quantity % COARSE_LOT for one in fine)


def test_every_ledger_adds_up_to_its_account(session: Session) -> None:
    for account, (currency, _) in PAIRS.items():
        entries = [e for e in session.records["ledger_entries"] if isinstance(e, LedgerEntry) and e.account == account]
        last = [s for s in session.records["portfolio_snapshots"] if isinstance(s, PortfolioSnapshot) and s.account == account][-1]
        assert entries and {e.asset for e in entries} == {currency}
        assert last.initial_equity + sum((e.amount for e in entries), Decimal(0)) + last.unrealized_pnl == last.equity


def test_the_session_is_replayed_to_the_same_bytes_with_what_was_true_then(session: Session) -> None:
    assert session.verdict.equal, str(session.verdict.divergences[0])

"""
An account in USDT trades BTCUSDT and BTCUSDC side by side in the simulated market, by what USDCUSDT says: spot and a perpetual's
account beside it, every ledger exact after every event, the same bytes by any number of tasks, and replayed to the same bytes.
"""

import json
import threading
from decimal import Decimal
from io import StringIO

import pytest
from rich.console import Console

from streams.cli.summary_view import print_summary
from streams.domain.parameters import SessionSettings
from streams.domain.records import LedgerEntry, LedgerKind, Order, PortfolioSnapshot, Position, Record
from streams.domain.statistics import statistics
from streams.exchange.wall import SystemWall
from streams.log.journal import read_range
from streams.log.layout import Layout
from streams.operate.plan import Ask, settings_of
from streams.operate.runtime import STAGES as DEPLOYED
from streams.replay.backtest import Backtest, backtest
from streams.replay.recorded.recorded import Recorded
from streams.replay.summary import summary_of
from streams.replay.verification.verify import verify
from streams.replay.whatif.comparison import compared
from streams.replay.whatif.other_settings import made_again
from streams.replay.whatif.settings_changed import changed
from streams.report.gather import material_of
from streams.report.page import report
from tests.simulation.test_perpetual_session import STAGES

PAIR = "USDCUSDT"
ACCOUNTS = ({"name": "main"}, {"name": "euros", "currency": "EUR"}, {"name": "dollars", "currency": "USDC"})


def make_settings(*, partitions: int = 1, risk_tasks: int = 1) -> SessionSettings:
    """Three accounts trade both: in USDT, in USDC (whose pair is the inverse), and in a currency that nothing values."""
    asked = settings_of(Ask(session="two-assets", duration_seconds=120))
    [own] = [one.model_dump() for one in asked.strategies][:1]
    names = tuple(account["name"] for account in ACCOUNTS)
    return SessionSettings.model_validate({
        **asked.model_dump(), "accounts": ACCOUNTS, "partitions": partitions, "risk_tasks": risk_tasks,
        "strategies": ({**own, "accounts": names, "symbols": ("BTCUSDT", "BTCUSDC")},),
        "feed": {**asked.feed.model_dump(), "symbols": ("BTCUSDT", "BTCUSDC", PAIR), "start_time": 1_700_000_000_000_000},
    })  # fmt: skip


def played(**tasks: int) -> Backtest:
    return backtest(make_settings(**tasks), STAGES, SystemWall(threading.Event()), code_version="test")


@pytest.fixture(scope="module")
def done() -> Backtest:
    return played()


def records(done: Backtest, topic: str) -> list[Record]:
    layout = Layout.of(done.settings)
    found = []
    for number in range(layout.count(topic)):
        place = layout.at(topic, number)
        messages = read_range(done.log, place, 0, done.log.end_offset(place))
        found += [done.codec.decode(one.value, layout.record_of(topic)) for one in messages if one.value is not None]
    return found


def of(done: Backtest, account: str, topic: str) -> list[Record]:
    return [one for one in records(done, topic) if getattr(one, "account", "") == account]


def test_two_quote_assets_are_traded_and_the_session_verifies_equal(done: Backtest) -> None:
    verdict = verify(done.log, done.settings, done.codec, STAGES)
    assert verdict.equal, str(verdict.divergences[:1])
    for account in ("main", "dollars"):
        traded = {one.symbol for one in of(done, account, "order_results") if one.quantity}  # type: ignore[attr-defined]
        assert traded == {"BTCUSDT", "BTCUSDC"}, account
    kinds = {(one.kind, one.asset) for one in of(done, "main", "ledger_entries") if isinstance(one, LedgerEntry)}
    assert {(LedgerKind.CONVERSION, "USDT"), (LedgerKind.CONVERSION, "USDC"), (LedgerKind.FEE, "USDC")} <= kinds


def test_a_currency_that_nothing_values_enters_nothing(done: Backtest) -> None:
    orders = [one for one in of(done, "euros", "orders") if isinstance(one, Order)]
    assert orders and {one.rejection_code for one in orders} == {"CONVERSION_MISSING"}
    assert {one.equity for one in of(done, "euros", "portfolio_snapshots") if isinstance(one, PortfolioSnapshot)} == {100_000}


@pytest.mark.parametrize(("account", "other"), [("main", "USDC"), ("dollars", "USDT")])
def test_every_stated_portfolio_adds_up_and_every_balance_is_its_ledgers(done: Backtest, account: str, other: str) -> None:
    snapshots = [one for one in of(done, account, "portfolio_snapshots") if isinstance(one, PortfolioSnapshot)]
    for one in snapshots:
        assert one.conversion is not None
        earned = one.initial_equity + one.realized_pnl + one.funding - one.fees + one.unrealized_pnl + one.conversion
        assert earned == one.equity
    assert any(one.conversion for one in snapshots)
    # All that the ledger brought into the other asset is there: as a balance, or in spot at cost.
    ledger = [one for one in of(done, account, "ledger_entries") if isinstance(one, LedgerEntry)]
    newest = {one.symbol: one for one in of(done, account, "positions") if isinstance(one, Position)}
    owned = json.loads(snapshots[-1].balances or "{}")[other]
    cost = newest[f"BTC{other}"].cost
    assert Decimal(owned["amount"]) + cost == sum((one.amount for one in ledger if one.asset == other), Decimal(0))


def test_the_same_bytes_come_of_any_number_of_tasks(done: Backtest) -> None:
    split = played(partitions=3, risk_tasks=3)
    for topic in ("orders", "positions", "portfolio_snapshots", "ledger_entries"):
        one, other = (sorted(records(each, topic), key=lambda record: record.event_id) for each in (done, split))
        assert one == other, topic


def test_trades_count_in_the_accounts_currency_and_the_summary_tells_of_conversion(done: Backtest) -> None:
    snapshots = [one for one in of(done, "main", "portfolio_snapshots") if isinstance(one, PortfolioSnapshot)]
    positions = [one for one in of(done, "main", "positions") if isinstance(one, Position)]
    found = statistics(snapshots, positions)
    assert found is not None and found.round_trips and found.conversion == snapshots[-1].conversion
    document = summary_of(done.log, done.settings, done.codec, STAGES).as_document()
    main = document["accounts"][0]
    assert main["balances"].keys() == {"USDC"} and Decimal(main["conversion"]) == snapshots[-1].conversion


def test_the_summary_and_the_report_show_conversion_and_every_balance(done: Backtest) -> None:
    said = StringIO()
    print_summary(summary_of(done.log, done.settings, done.codec, STAGES), Console(file=said, width=200))
    snapshot = next(one for one in reversed(of(done, "main", "portfolio_snapshots")) if isinstance(one, PortfolioSnapshot))
    owned = json.loads(snapshot.balances or "{}")["USDC"]
    balance = f"{Decimal(owned['amount']):,.2f} at {owned['mark']}"
    assert f"{snapshot.conversion:,.2f}" in said.getvalue() and balance in said.getvalue()
    page = report(material_of(done.log, done.codec, done.settings, STAGES))
    for words in (f"{snapshot.conversion:,.2f}", balance, "conversion of main"):
        assert words in page, words


def test_what_other_settings_would_have_made_is_attributed_to_the_last_digit_and_conversion_with_it(done: Backtest) -> None:
    base = Recorded.of(done.log, done.codec, done.settings, DEPLOYED)
    answer = compared(base, made_again(base, changed(done.settings, {"risk.max_position_pct": "0.05"}), code_version="test"))
    one = next(account for account in answer.accounts if account.account == "main")
    assert one.now - one.was == sum(part.total for part in one.parts) == sum(trades.pnl for trades in one.trades) != 0
    assert any(part.conversion for part in one.parts) and any(trades.kind == "conversion" for trades in one.trades)

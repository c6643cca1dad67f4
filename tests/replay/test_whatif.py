"""A session with other settings: the same as a session that had them, and every difference named, priced and trusted as far as it goes."""

import json
import threading
from decimal import Decimal
from pathlib import Path

import pytest

from streams.cli.__main__ import run
from streams.domain.parameters import SessionSettings
from streams.domain.records import Order, PortfolioSnapshot
from streams.errors import ConfigError, LogError
from streams.exchange.wall import SystemWall
from streams.log.canonical import LEFT_OUT, canonical_records, compared_topics
from streams.log.interface import Log
from streams.operate.plan import with_strategies
from streams.replay.backtest import Given, backtest
from streams.replay.whatif.comparison import WhatIf, compared
from streams.replay.whatif.other_settings import made_again
from streams.replay.whatif.settings_changed import assignments, changed
from tests.replay.recordings import CODEC, archived, drilled, found, recorded
from tests.replay.test_backtest import KINDS, Live
from tests.replay.test_state import Shortened


def data(log: Log, live: Live, settings: SessionSettings) -> dict[str, object]:
    return {topic: canonical_records(log, live.layout, CODEC, topic) for topic in compared_topics() if topic not in LEFT_OUT}


def answered(live: Live, **changes: str) -> WhatIf:
    settings = changed(live.settings, {name.replace("__", "."): value for name, value in changes.items()})
    return compared(recorded(live), made_again(recorded(live), settings, code_version="test"))


def test_session_made_again_with_its_own_settings_is_byte_equal_commands_included() -> None:
    live = drilled()
    again = made_again(recorded(live), live.settings, code_version="test")
    assert data(again.log, live, live.settings) == data(live.log, live, live.settings)
    answer = compared(recorded(live), again)
    assert (answer.first, answer.guess_from) == (None, None) and {one.now - one.was for one in answer.accounts} == {0}


def test_session_with_other_settings_is_the_one_that_would_have_had_them() -> None:
    """Held against a backtest that reads the market from its source and never saw this log's market data."""
    live = drilled()
    settings = changed(live.settings, {"risk.max_position_pct": "0.05", "strategies.momentum.parameters.SIGNAL_THRESHOLD_PCT": "0.02"})
    given = Given.of(live.log, CODEC, live.settings, KINDS)
    done = backtest(settings, KINDS, SystemWall(threading.Event()), code_version="test", given=given)
    again = made_again(recorded(live), settings, code_version="test")
    assert data(again.log, live, settings) == data(done.log, live, settings)


def test_smaller_positions_are_a_quantity_less_and_the_answer_is_a_guess_from_the_first_of_them() -> None:
    live = drilled()
    answer = answered(live, risk__max_position_pct="0.05")
    first = next(one for one in found(live, "orders", Order) if one.approved)
    assert answer.first is not None and answer.first.record.event_id == first.event_id == answer.guess_from.record.event_id  # type: ignore[union-attr]
    assert answer.first.kind == "another quantity" and answer.first.was is not None
    assert answer.first.was.record == first and answer.first.was.topic == "orders"
    now = answer.first.now
    assert now is not None and isinstance(now.record, Order) and now.record.quantity < first.quantity
    times = [one.record.time for one in answer.changed]
    assert times == sorted(times)


def test_difference_in_equity_is_attributed_to_the_last_digit_both_ways() -> None:
    live = drilled()
    answer = answered(live, risk__stop_loss_pct="0.01", risk__take_profit_pct="0.002", accounts__beta__initial_equity="90000")
    ends = {one.account: one for one in found(live, "portfolio_snapshots", PortfolioSnapshot)}
    assert {one.account for one in answer.accounts} == set(ends) == {"alpha", "beta"}
    for one in answer.accounts:
        started = Decimal(-10_000 if one.account == "beta" else 0)
        assert one.now - one.was == started + sum(part.total for part in one.parts) == sum(trades.pnl for trades in one.trades)
        assert any(trades.trades for trades in one.trades)


def test_setting_that_only_refuses_names_the_orders_that_are_gone() -> None:
    live = drilled()
    answer = answered(live, strategies__momentum__enabled="false")
    assert {one.kind for one in answer.changed} == {"only in the session"}
    assert sum(one.topic == "orders" for one in answer.changed) > 5
    assert all(trades.kind == "only in the session" for one in answer.accounts for trades in one.trades)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("risk.max_position_pct", "0.9", r"risk: MAX_POSITION_PCT must be 0.01..0.25, was 0.9"),
        ("RISK.MAX_POSITION_PCT", "much", "MAX_POSITION_PCT must be .* was much"),
        ("risk.courage", "1", "risk.courage must name one of .*, was courage"),
        ("risk.max_total_exposure_pct", "0.1", ""), ("accounts.gamma.leverage", "2", "must name one of alpha, beta, was gamma"),
        ("risk.max_position_pct", "0.25", ""), ("strategies.momentum.parameters.SIGNAL_LOOKBACK_MIN", "-1", "SIGNAL_LOOKBACK_MIN"),
        ("feed.seed", "2", "must name a setting that decides"), ("session", "x", "must name a setting that decides"),
        ("strategies.momentum.accounts", "alpha", ""),
        ("strategies.momentum.accounts", "gamma", "accounts must be among alpha, beta, was gamma"),
        ("risk.take_profit_pct", "none", ""), ("accounts.alpha.leverage", "11", "at most LEVERAGE_MAX"),
        ("accounts.alpha.name", "b", "must name"),
    ],
)  # fmt: skip
def test_setting_by_its_name_is_put_or_refused_with_its_rule(name: str, value: str, words: str) -> None:
    settings = drilled().settings
    if not words:
        assert changed(settings, {name: value}) != settings
        return
    with pytest.raises(ConfigError, match=words):
        changed(settings, {name: value})


def test_assignment_without_a_value_is_refused() -> None:
    assert assignments(["risk.x = 1", "risk.y=a=b"]) == {"risk.x": "1", "risk.y": "a=b"}
    for text in ("risk.x", "=1", "risk.x="):
        with pytest.raises(ConfigError, match="SET must be NAME=VALUE"):
            assignments([text])


def test_strategies_of_another_file_trade_the_sessions_accounts(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text('[[strategy]]\nname = "slow"\nkind = "trend"\n[risk]\nMAX_POSITION_PCT = "0.02"\n')
    settings = with_strategies(drilled().settings, path)
    assert [(one.name, one.accounts) for one in settings.strategies] == [("slow", ("alpha", "beta"))]
    assert settings.risk.max_position_pct == Decimal("0.02") and settings.feed == drilled().settings.feed


def test_session_whose_beginning_is_gone_is_not_made_again() -> None:
    live = drilled()
    place = live.layout.at("market_data", 1)
    shortened = recorded(live)._replace(log=Shortened(live.log, place, 40))  # type: ignore[arg-type]
    with pytest.raises(LogError, match="drill.market_data/1 must begin with offset 0, begins with 40: what lies before is gone"):
        made_again(shortened, live.settings, code_version="test")


def test_comparison_is_told_as_tables_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = archived(drilled(), tmp_path / "archive")
    assert run(["replay", "whatif", *options, "--set", "risk.max_position_pct=0.05"], {}) == 0
    shown = capsys.readouterr().out
    assert "a guess from there on" in shown and "another quantity" in shown and "account alpha" in shown
    assert run(["replay", "whatif", *options, "--set", "risk.max_position_pct=0.05", "--json"], {}) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["settings"] == {"risk.max_position_pct": {"was": "0.10", "now": "0.05"}}
    assert document["guess_from"]["id"] == document["first"]["id"]
    for wrong in ([], ["--set", "risk.max_position_pct=0.10"], ["--set", "risk.none=1"], ["--strategies", str(tmp_path / "none.toml")]):
        assert run(["replay", "whatif", *options, *wrong], {}) == 2

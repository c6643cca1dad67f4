"""Limits hold after every approved trade, in any story."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.records import Order, OrderType, Purpose, RegimeName, Side
from streams.domain.risk.allocations import share
from streams.domain.risk.restraint import correlated
from tests.domain.risk_stories import Story, make_instrument, make_settings, only
from tests.domain.test_rejection_codes import regime

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDC")
PAIR = "USDCUSDT"

STEPS = st.lists(
    st.tuples(
        st.sampled_from(SYMBOLS), st.sampled_from(["momentum", "other"]), st.sampled_from(Side),
        st.decimals("80", "120", places=2), st.sampled_from(["fill", "part", "reject", "wait", "regime", "minutes"]),
        st.sampled_from(RegimeName), st.decimals("0.5", "2", places=4),
    ),
    max_size=25,
)
TYPES = st.sampled_from(sorted(set(OrderType) - {OrderType.CANCEL}))


def at_stake(story: Story) -> list[tuple[str, str, Decimal]]:
    """Symbol, strategy and notional in USDT of every position and of what entries may still open, at present marks."""
    account, pair = story.account(), story.state.markets[PAIR].mark
    assert pair is not None and pair.mark is not None
    worth = {symbol: pair.mark if symbol.endswith("USDC") else Decimal(1) for symbol in SYMBOLS}
    return [(s, w, abs(p.value) * worth[s]) for s, w, p in account.portfolio.each() if p.quantity] + [
        (o.symbol, o.strategy, o.remaining * story.state.markets[o.symbol].mark.mark * worth[o.symbol])  # type: ignore[union-attr,operator]
        for o in account.in_flight.values() if not o.reduces
    ]


def must_keep_every_limit(story: Story, order: Order) -> None:
    """After the entry, everything counted as if it were filled."""
    account, rules, symbol, strategy = story.account(), story.stage.settings.risk, order.symbol, order.strategy
    equity, held = account.portfolio.equity, at_stake(story)
    assert sum(n for _, _, n in held) <= rules.max_total_exposure_pct * equity
    assert sum(n for s, _, n in held if s == symbol) <= rules.max_symbol_exposure_pct * equity
    of_strategy = sum(n for _, w, n in held if w == strategy)
    assert of_strategy <= rules.max_strategy_exposure_pct * equity
    assert sum(n for s, w, n in held if (s, w) == (symbol, strategy)) <= rules.max_position_pct * equity
    found = share(story.state, story.stage.rules, account, symbol=symbol, strategy=strategy)
    assert of_strategy <= found.fraction * equity
    group = correlated(account, story.state.markets, story.stage.rules, symbol=symbol, side=order.side)
    assert not group.names or group.notional <= rules.max_correlated_exposure_pct * equity
    pairs = {(s, w) for s, w, _ in held}
    assert len(pairs) <= rules.max_open_positions
    assert sum(s == symbol for s, _ in pairs) <= rules.max_positions_a_symbol
    approved = [o for o in only(Order, story.records) if o.approved]
    recent = [o for o in approved if o.time > order.time - 1_000_000]
    assert sum(o.order_type is not OrderType.CANCEL for o in recent) <= rules.max_orders_a_second
    assert len(account.entry_times) <= rules.max_trades_an_hour


@settings(max_examples=80, deadline=None)
@given(
    STEPS, TYPES, st.decimals("0.01", "0.25", places=2), st.decimals("0.01", "1", places=2),
    st.decimals("0.01", "0.3", places=2), st.integers(1, 3), st.integers(1, 5),
)
def test_an_approved_entry_never_breaches_a_limit_after_its_trade(
    steps: list[Any], kind: OrderType, position_max: Any, strategy_max: Any, warmup: Any, count_max: int, trades_max: int
) -> None:
    story = Story(
        make_settings(
            documented=True, max_position_pct=position_max, max_strategy_exposure_pct=strategy_max,
            allocation_warmup=warmup, max_positions_a_symbol=count_max, max_open_positions=count_max,
            max_trades_an_hour=trades_max, correlation_minutes=10, stop_out_cooldown_sec=0, max_consecutive_losses=1000,
            entries={"entry_order_type": kind},
        ),
        symbols=(*SYMBOLS, PAIR),
    )
    story.tell("instruments", "SOLUSDC", make_instrument("SOLUSDC", base_asset="SOL", quote_asset="USDC"))
    waiting: list[Order] = []
    for symbol, strategy, side, price, then, name, worth in steps:
        told = len(story.records)
        story.mark(worth, symbol=PAIR)
        story.mark(price, symbol=symbol)
        decided = len(story.records)
        try:
            story.signal(side, price, symbol=symbol, strategy=strategy)
        except ValueError:
            assert len(only(Order, story.records[decided:])) == 2, "an exit and a cancellation"
        made = [o for o in only(Order, story.records[told:]) if o.approved and o.order_type is not OrderType.CANCEL]
        waiting += made
        for order in made:
            if order.purpose is Purpose.ENTRY:
                must_keep_every_limit(story, order)
        if then == "regime":
            regime(story, name, symbol=symbol)
            waiting += [o for o in only(Order, story.wait(61)) if o.approved and o.order_type is not OrderType.CANCEL]
        elif then == "minutes":
            for minute in range(8):
                for one in SYMBOLS:
                    made = only(Order, story.mark(price + minute % 3, symbol=one, after="20"))
                    waiting += [o for o in made if o.approved and o.order_type is not OrderType.CANCEL]
        elif then != "wait" and waiting:
            answered = waiting.pop(0)
            if then == "reject":
                story.reject(answered)
            else:
                part = answered.quantity / 2 if then == "part" else answered.quantity
                story.result(answered, price=price, quantity=part, fee="1", asset="USDC" if answered.symbol == "SOLUSDC" else "USDT")
        assert story.account().portfolio.is_exact()
        assert all(balance.amount >= 0 for balance in story.account().portfolio.balances.values()), "an account owes no other asset"
        for _, _, position in story.account().portfolio.each():
            assert position.quantity >= 0, "a reduce-only order turned a long round"

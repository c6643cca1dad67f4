"""Limits hold after every approved trade, in any story."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.records import Order, Purpose, Side
from tests.domain.risk_stories import Story, make_settings

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")

STEPS = st.lists(
    st.tuples(
        st.sampled_from(SYMBOLS), st.sampled_from(["momentum", "other"]), st.sampled_from(Side),
        st.decimals("80", "120", places=2), st.sampled_from(["fill", "part", "reject", "wait"]),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.decimals("0.01", "0.25", places=2), st.decimals("0.01", "1", places=2))
def test_an_approved_entry_never_breaches_a_limit_after_its_trade(
    steps: list[tuple[str, str, Side, Any, str]], position_max: Any, strategy_max: Any
) -> None:
    story = Story(
        make_settings(max_position_pct=position_max, max_strategy_exposure_pct=strategy_max), symbols=SYMBOLS,
    )
    rules = story.stage.settings.risk
    waiting: list[Order] = []
    for symbol, strategy, side, price, then in steps:
        waiting += [r for r in story.mark(price, symbol=symbol) if isinstance(r, Order) and r.approved]
        order = story.signal(side, price, symbol=symbol, strategy=strategy)
        account = story.account()
        if order.approved:
            waiting.append(order)
        if order.approved and order.purpose is Purpose.ENTRY:
            at_stake = [(s, w, abs(p.value)) for s, w, p in account.portfolio.each()] + [
                (o.symbol, o.strategy, o.remaining * story.state.markets[o.symbol].mark.mark)  # type: ignore[union-attr,operator]
                for o in account.in_flight.values() if not o.reduces
            ]
            equity = account.portfolio.equity
            assert sum(n for _, _, n in at_stake) <= rules.max_total_exposure_pct * equity
            assert sum(n for s, _, n in at_stake if s == symbol) <= rules.max_symbol_exposure_pct * equity
            assert sum(n for _, w, n in at_stake if w == strategy) <= rules.max_strategy_exposure_pct * equity
            assert sum(n for s, w, n in at_stake if (s, w) == (symbol, strategy)) <= rules.max_position_pct * equity
        if then == "wait" or not waiting:
            continue
        answered = waiting.pop(0)
        part = answered.quantity / 2 if then == "part" else answered.quantity
        if then == "reject":
            story.reject(answered)
        else:
            story.result(answered, price=price, quantity=part, fee="1")
        assert account.portfolio.is_exact()
        for _, _, position in account.portfolio.each():
            assert position.quantity >= 0, "a reduce-only order turned a long round"

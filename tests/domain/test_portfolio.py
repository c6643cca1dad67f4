"""The books: average cost, flips, and the identity to the last digit."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain import portfolio as books
from streams.domain.perpetuals.tiers import tiers_of
from streams.domain.portfolio import Portfolio
from streams.domain.positions import BookPosition, MarginTerms
from streams.domain.records import Purpose, Side
from tests.domain.perpetual_stories import TIERS
from tests.domain.risk_stories import D

UNIT = D("0.000000000001")
TERMS = MarginTerms(D(10), tiers_of(TIERS))


def fill(
    book: Portfolio, side: Side, quantity: str, notional: str, *, fee: str = "0", mark: str = "100",
    symbol: str = "BTCUSDT", time: int = 1, terms: MarginTerms | None = None,
) -> Decimal | None:
    return books.on_fill(
        book, symbol=symbol, strategy="momentum", side=side, quantity=D(quantity), notional=D(notional), fee=D(fee),
        mark=D(mark), time=time, terms=terms,
    )


def held(book: Portfolio) -> BookPosition:
    return book.positions["BTCUSDT"]["momentum"]


def test_two_buys_and_a_partial_sale_keep_the_average_cost() -> None:
    # 1 @ 100 and 3 @ 120 cost 460, 115 each. 1 sold @ 130 realizes 15 and leaves 345 for 3.
    book = books.opened(D(1000))
    assert fill(book, Side.BUY, "1", "100") is None
    assert fill(book, Side.BUY, "3", "360") is None
    assert held(book).entry_price == 115
    assert fill(book, Side.SELL, "1", "130", fee="2", mark="140") == 15
    assert (held(book).quantity, held(book).cost, held(book).entry_price) == (3, 345, 115)
    # Cash: 1000 - 460 + 130 - 2. Equity: + 3 x 140. Unrealized: 420 - 345.
    assert (book.cash, book.equity, book.unrealized_pnl(), book.fees) == (668, 1088, 75, 2)
    assert book.is_exact()


def test_a_sale_beyond_the_position_turns_it_round_at_the_fills_own_price() -> None:
    # Long 2 @ 100, sold 5 for 600 (120 each): 2 of them close for 240 and realize 40, 3 open a short for 360.
    book = books.opened(D(1000))
    fill(book, Side.BUY, "2", "200", time=1)
    held(book).guard.closing = Purpose.EXIT
    assert fill(book, Side.SELL, "5", "600", mark="120", time=2) == 40
    position = held(book)
    assert (position.quantity, position.cost, position.entry_price, position.opened_at) == (-3, -360, 120, 2)
    assert position.guard.closing is None
    # The short is covered at 110: 3 x 10 gained.
    assert fill(book, Side.BUY, "3", "330", mark="110", time=3) == 30
    assert (position.quantity, position.cost, position.entry_price, position.opened_at) == (0, 0, None, None)
    assert (book.realized_pnl, book.equity, book.cash) == (70, 1070, 1070)


def test_what_rounding_takes_from_a_partial_close_stays_in_the_rest() -> None:
    # A third of 100 is 33.333333333333 at 12 places; the last third takes what is left, so nothing is lost.
    book = books.opened(D(1000))
    fill(book, Side.BUY, "3", "100")
    assert fill(book, Side.SELL, "1", "40") == D("6.666666666667")
    assert fill(book, Side.SELL, "1", "40") == D("6.666666666667") - UNIT
    assert fill(book, Side.SELL, "1", "40") == D("6.666666666666") + UNIT
    assert (book.realized_pnl, held(book).cost, book.equity) == (20, 0, 1020)


def test_a_mark_moves_equity_by_the_quantity_it_is_held_in() -> None:
    book = books.opened(D(1000))
    fill(book, Side.BUY, "2", "200")
    books.on_mark(book, held(book), D("99.5"))
    assert (book.equity, held(book).unrealized_pnl, book.exposure(), book.cash) == (999, -1, 199, 800)


def test_positions_come_in_the_order_of_their_names_whatever_came_first() -> None:
    book = books.opened(D(1000))
    for symbol in ("ETHUSDT", "BTCUSDT"):
        fill(book, Side.BUY, "1", "100", symbol=symbol)
    assert [symbol for symbol, _, _ in book.open_positions()] == ["BTCUSDT", "ETHUSDT"]


def test_a_perpetual_moves_only_what_it_realizes_and_its_fee() -> None:
    # 2 @ 100 bind 20 at leverage 10 and keep 1; 1 sold @ 110 realizes 10 and frees 10.
    book = books.opened(D(1000))
    assert fill(book, Side.BUY, "2", "200", fee="1", terms=TERMS) is None
    position = held(book)
    assert (book.cash, book.equity, position.margin, position.maintenance, book.margin_used()) == (999, 999, 20, 1, 20)
    books.on_mark(book, position, D(105))
    assert (book.cash, book.equity, book.unrealized_pnl(), book.exposure()) == (999, 1009, 10, 210)
    assert fill(book, Side.SELL, "1", "110", fee="2", mark="110", terms=TERMS) == 10
    assert (book.cash, book.equity, position.margin, position.maintenance) == (1007, 1017, 10, D("0.5"))
    assert book.is_exact()


def test_a_perpetual_that_is_turned_round_binds_the_margin_of_its_new_side() -> None:
    # Long 2 @ 100, sold 5 @ 120: 2 close and realize 40, 3 open a short for 360, which bind 36 and keep 1.8.
    book = books.opened(D(1000))
    fill(book, Side.BUY, "2", "200", terms=TERMS)
    assert fill(book, Side.SELL, "5", "600", mark="120", terms=TERMS) == 40
    position = held(book)
    assert (position.quantity, position.cost, position.margin, position.maintenance) == (-3, -360, 36, D("1.8"))
    assert (book.cash, book.equity) == (1040, 1040)
    assert fill(book, Side.BUY, "3", "330", mark="110", terms=TERMS) == 30
    assert (position.margin, position.maintenance, book.cash, book.equity) == (0, 0, 1070, 1070)


def test_spot_and_perpetual_stand_side_by_side() -> None:
    # 1 @ 100 of spot leaves 900; 1 @ 100 of a perpetual binds 10 of it. Both lose 10 at 90.
    book = books.opened(D(1000))
    fill(book, Side.BUY, "1", "100")
    fill(book, Side.BUY, "1", "100", symbol="BTC_USDT", terms=TERMS)
    for by_strategy in book.positions.values():
        books.on_mark(book, by_strategy["momentum"], D(90))
    assert (book.cash, book.equity, book.margin_used()) == (900, 980, 10)
    assert [symbol for symbol, _, _ in book.margined()] == ["BTC_USDT"]
    assert book.is_exact()


def test_funding_and_a_takeover_have_terms_of_their_own() -> None:
    book = books.opened(D(1000))
    fill(book, Side.BUY, "2", "200", terms=TERMS)
    position = held(book)
    books.on_funding(book, position, D("-0.5"))
    assert (book.funding, position.funding, book.cash, book.equity) == (D("-0.5"), D("-0.5"), D("999.5"), D("999.5"))
    books.on_mark(book, position, D(85))
    books.on_takeover(book, position, realized=D(-20), fee=D(1))
    assert (book.realized_pnl, book.fees, book.cash, book.equity) == (-20, 1, D("978.5"), D("978.5"))
    assert (position.quantity, position.cost, position.value, position.margin, position.opened_at) == (0, 0, 0, 0, None)
    assert book.is_exact()


PRICES = st.decimals("0.000001", "100000", places=6)
QUANTITIES = st.decimals("0.000001", "1000", places=8)
# What each is quoted and settled in; "" is the account's currency.
ASSETS = {"BTCUSDT": "", "ETHUSDT": "", "BTC_USDT": "", "ETH_USDT": "", "BTCUSDC": "USDC", "BTC_USDC": "USDC", "ETHEUR": "EUR"}
SYMBOLS = st.sampled_from(sorted(ASSETS))
STRATEGIES = st.sampled_from(["momentum", "other"])
FILLS = st.tuples(
    st.just("fill"), SYMBOLS, STRATEGIES, st.sampled_from(Side), QUANTITIES, PRICES, st.decimals("-1", "50", places=12),
)
MARKS = st.tuples(st.just("mark"), SYMBOLS, PRICES)
FUNDINGS = st.tuples(st.just("funding"), SYMBOLS, STRATEGIES, st.decimals("-0.01", "0.01", places=12))
OTHERS = st.sampled_from(["USDC", "EUR"])
RATES = st.tuples(st.just("rate"), OTHERS, st.decimals("0.000001", "1000", places=12))
CONVERSIONS = st.tuples(st.just("conversion"), OTHERS, st.decimals("0", "100000", places=12))
TAKEOVERS = st.tuples(st.just("takeover"), SYMBOLS, STRATEGIES, st.decimals("0", "50", places=12))


def play(book: Portfolio, event: tuple[object, ...]) -> None:
    match event:
        case ("fill", str(symbol), str(strategy), Side() as side, Decimal() as quantity, Decimal() as price, Decimal() as fee):
            books.on_fill(
                book, symbol=symbol, strategy=strategy, side=side, quantity=quantity,
                notional=max((quantity * price).quantize(UNIT), UNIT), fee=fee, mark=price, time=1,
                terms=TERMS if "_" in symbol else None, asset=ASSETS[symbol],
            )
        case ("rate", str(asset), Decimal() as mark):
            books.on_asset_mark(book, asset, mark=mark, pair=f"{asset}USDT")
        case ("conversion", str(asset), Decimal() as bought):
            assert books.on_conversion(book, asset, bought) == book.stated(asset, bought)
        case ("mark", str(symbol), Decimal() as price):
            for position in book.positions.get(symbol, {}).values():
                books.on_mark(book, position, price)
        case (kind, str(symbol), str(strategy), Decimal() as number):
            held = book.position(symbol, strategy)
            if held is None or not held.quantity or held.leverage is None:
                return
            if kind == "funding":
                books.on_funding(book, held, (held.value * number).quantize(UNIT))
            else:
                books.on_takeover(book, held, realized=-held.margin, fee=number)


def capital(book: Portfolio) -> dict[str, Decimal]:
    """What the account has in each other asset: balance, and spot at cost."""
    found = {asset: balance.amount for asset, balance in book.balances.items()}
    for _, _, position in book.each():
        if position.asset and position.leverage is None:
            found[position.asset] += position.cost
    return found


TERM_NAMES = ("realized_pnl", "fees", "funding")


def terms(book: Portfolio) -> dict[tuple[str, str], dict[str, Decimal]]:
    """What each position has earned and paid, in its own asset."""
    return {(symbol, strategy): {name: getattr(p, name) for name in TERM_NAMES} for symbol, strategy, p in book.each()}


@settings(max_examples=150, deadline=None)
@given(st.lists(FILLS | FILLS | MARKS | FUNDINGS | TAKEOVERS | RATES | CONVERSIONS, max_size=40))
def test_the_identity_holds_to_the_last_digit_after_every_event(events: list[tuple[object, ...]]) -> None:
    book = books.opened(D(100_000))
    for asset in ("USDC", "EUR"):
        books.on_asset_mark(book, asset, mark=D(1), pair=f"{asset}USDT")
    converted, moves = D(0), 0
    booked, told = dict.fromkeys(TERM_NAMES, D(0)), terms(book)
    for event in events:
        had, marks = capital(book), {asset: balance.mark for asset, balance in book.balances.items()}
        play(book, event)
        assert book.is_exact()
        moves += 1 + len(ASSETS)
        # Conversion is what each asset was held times how its mark moved, but for roundings of half a unit.
        converted += sum((had[asset] * (balance.mark - marks[asset]) for asset, balance in book.balances.items()), D(0))
        assert abs(book.conversion() - converted) <= 2 * moves * UNIT
        for _, _, position in book.each():
            assert position.quantity or not position.cost, "a flat position has no cost"
            assert position.quantity * position.cost >= 0, "the cost has the quantity's sign"
            assert position.margin >= 0 and (position.quantity or not position.margin), "a flat position binds nothing"
        for (symbol, strategy), found in terms(book).items():
            for term, value in found.items():
                asset = book.positions[symbol][strategy].asset
                booked[term] += book.stated(asset, value - told.get((symbol, strategy), {}).get(term, D(0)))
        assert booked == {term: getattr(book, term) for term in TERM_NAMES}, "what a position earns counts at that moment's mark"
        told = terms(book)


def test_assets_are_valued_each_by_its_own_mark() -> None:
    # 1 @ 100 for USDC at .5 and 1 @ 100 for EUR at 2, both paid by conversion: 50 and 200.
    book = books.opened(D(1000))
    for asset, mark in (("USDC", "0.5"), ("EUR", "2")):
        books.on_asset_mark(book, asset, mark=D(mark), pair=f"{asset}USDT")
        books.on_conversion(book, asset, D(100))
    for symbol in ("BTCUSDC", "ETHEUR"):
        books.on_fill(
            book, symbol=symbol, strategy="momentum", side=Side.BUY, quantity=D(1), notional=D(100), fee=D(0), mark=D(100), time=1,
            asset=ASSETS[symbol],
        )
    assert (book.cash, book.equity, book.exposure(), book.all_cash()) == (750, 1000, 250, 750)
    books.on_asset_mark(book, "USDC", mark=D("0.6"), pair="USDCUSDT")
    books.on_mark(book, book.positions["ETHEUR"]["momentum"], D(110))
    assert (book.conversion(), book.unrealized_pnl(), book.equity) == (10, 20, 1030)


@pytest.mark.parametrize("term", ["amount", "held", "booked", "equity", "mark"])
def test_a_wrong_digit_in_a_balance_is_noticed(term: str) -> None:
    book = books.opened(D(1000))
    books.on_asset_mark(book, "USDC", mark=D("0.5"), pair="USDCUSDT")
    books.on_conversion(book, "USDC", D(100))
    assert book.is_exact()
    balance = book.balances["USDC"]
    setattr(balance, term, getattr(balance, term) + 2 * UNIT)
    assert not book.is_exact()

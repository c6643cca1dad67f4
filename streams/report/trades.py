"""
Each trade with what belongs to it: its fills, why it ended, and the stop it was held by.

A trade is a round trip of `streams.domain.statistics`, or a position that is still open at the end. The charts of single trades are
bounded: those of the `DETAILS_MAX` trades with the largest gain or loss, whatever the number of trades in the table.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from decimal import Decimal
from typing import Any, NamedTuple

from streams.domain.records import OrderResult, Position, Purpose, Side
from streams.domain.statistics import RoundTrip, round_trips
from streams.report.gather import Material
from streams.report.series import DETAIL_BARS_MAX, milliseconds, shown

DETAILS_MAX = 200
LEVELS_MAX = 200
MARGIN = 0.6  # of a trade's length, shown before and after it
MARGIN_MIN = 20_000_000

Key = tuple[str, str, str]  # account, strategy, symbol


class Trade(NamedTuple):
    """One trade; `trip` is None while it is open, `position` the newest record of what is open then."""

    key: Key
    side: Side
    opened_at: int
    closed_at: int | None
    quantity: Decimal
    entry: Decimal
    exit: Decimal | None
    pnl: Decimal  # after fees and funding, all in the account's currency; of an open trade unrealized at the last price, before them
    result: Decimal | None
    fees: Decimal
    funding: Decimal
    purpose: str  # of the fill that ended it
    fills: list[OrderResult]
    stops: list[tuple[int, Decimal]]


def trades_of(material: Material) -> list[Trade]:
    """Every trade in the order of its opening."""
    fills: dict[Key, list[OrderResult]] = defaultdict(list)
    for result in material.results:
        if result.quantity:
            fills[result.account, result.strategy, result.symbol].append(result)
    positions: dict[Key, list[Position]] = defaultdict(list)
    for position in material.positions:
        positions[position.account, position.strategy, position.symbol].append(position)
    found = [_closed(material, trip, fills, positions) for trip in round_trips(material.positions)]
    for key, states in positions.items():
        if states[-1].quantity:
            found.append(_open(material, key, states, fills[key]))
    return sorted(found, key=lambda trade: (trade.opened_at, trade.key))


def _closed(material: Material, trip: RoundTrip, fills: dict[Key, list[OrderResult]], positions: dict[Key, list[Position]]) -> Trade:
    key = (trip.account, trip.strategy, trip.symbol)
    own = _within(fills[key], trip.opened_at, trip.closed_at)
    return Trade(
        key=key, side=trip.side, opened_at=trip.opened_at, closed_at=trip.closed_at, quantity=trip.quantity,
        entry=trip.opened_notional / trip.quantity, exit=trip.closed_notional / trip.quantity, pnl=trip.pnl, result=trip.result,
        fees=trip.fees, funding=trip.funding, purpose=_purpose(material, trip, own), fills=own,
        stops=_stops(positions[key], trip.opened_at, trip.closed_at),
    )  # fmt: skip


def _purpose(material: Material, trip: RoundTrip, fills: list[OrderResult]) -> str:
    """Why the trip ended: the purpose of the order whose fill closed it; without such a fill the exchange took it over."""
    if not fills or fills[-1].time < trip.closed_at:
        return Purpose.LIQUIDATION.value
    return material.purposes.get(fills[-1].order_id, Purpose.EXIT).value


def _open(material: Material, key: Key, states: list[Position], fills: list[OrderResult]) -> Trade:
    last = states[-1]
    opened_at = last.opened_at if last.opened_at is not None else last.time
    own = _within(fills, opened_at, last.time)
    unrealized = last.unrealized_pnl
    prices = material.prices.get(key[2])
    if prices is not None and prices.bars.times and last.mark is not None:
        # Positions are stated with their fills; since then the price has moved on.
        unrealized += last.quantity * (Decimal(str(prices.bars.closes[-1])) - last.mark)
    worth = Decimal(1) if last.conversion_mark is None else last.conversion_mark
    return Trade(
        key=key, side=Side.BUY if last.quantity > 0 else Side.SELL, opened_at=opened_at, closed_at=None, quantity=abs(last.quantity),
        entry=last.entry_price or Decimal(0), exit=None, pnl=unrealized * worth, result=None,
        fees=sum((fill.fee for fill in own), Decimal(0)) * worth, funding=Decimal(0), purpose="", fills=own,
        stops=_stops(states, opened_at, last.time),
    )  # fmt: skip


def _within(fills: list[OrderResult], start: int, end: int) -> list[OrderResult]:
    first = bisect_left(fills, start, key=lambda fill: fill.time)
    return fills[first : bisect_right(fills, end, key=lambda fill: fill.time)]


def _stops(states: list[Position], start: int, end: int) -> list[tuple[int, Decimal]]:
    """Where the stop stood from when on, changes only."""
    first = bisect_left(states, start, key=lambda state: state.time)
    changes: list[tuple[int, Decimal]] = []
    for state in states[first : bisect_right(states, end, key=lambda state: state.time)]:
        if state.stop_price is not None and (not changes or changes[-1][1] != state.stop_price):
            changes.append((state.time, state.stop_price))
    return changes


def details_of(material: Material, trades: list[Trade]) -> dict[int, dict[str, Any]]:
    """By a trade's place in `trades`, what its own chart shows."""
    chosen = sorted(range(len(trades)), key=lambda place: -abs(trades[place].pnl))[:DETAILS_MAX]
    return {place: _detail(material, trades[place]) for place in sorted(chosen)}


def _detail(material: Material, trade: Trade) -> dict[str, Any]:
    end = trade.closed_at if trade.closed_at is not None else material.last_time
    margin = max(int((end - trade.opened_at) * MARGIN), MARGIN_MIN)
    prices = material.prices.get(trade.key[2])
    bars = prices.bars.between(trade.opened_at - margin, end + margin).merged(DETAIL_BARS_MAX).document() if prices else None
    stops = trade.stops[:LEVELS_MAX]
    return {
        "bars": bars,
        "fills": [_fill(material, fill) for fill in trade.fills[:LEVELS_MAX]],
        "stops": [[milliseconds(time), shown(float(stop))] for time, stop in stops]
        + ([[milliseconds(end), shown(float(stops[-1][1]))]] if stops else []),
        "title": f"{trade.key[2]} {'long' if trade.side is Side.BUY else 'short'}, {trade.key[1]}, account {trade.key[0]}",
    }


def _fill(material: Material, fill: OrderResult) -> list[Any]:
    """Market time, price, whether bought, and words."""
    assert fill.price is not None, "a fill has a price"
    purpose = material.purposes.get(fill.order_id)
    words = f"{purpose.value if purpose else ''} {fill.side.value} {fill.quantity.normalize():f} at {fill.price.normalize():f}"
    return [milliseconds(fill.fill_time), shown(float(fill.price)), fill.side is Side.BUY, words.strip()]


def fills_of(material: Material, symbol: str, fills_max: int) -> list[list[Any]]:
    """A symbol's fills for its price chart: all of them, or as many evenly chosen ones."""
    found = [result for result in material.results if result.quantity and result.symbol == symbol]
    step = -(-len(found) // fills_max) if found else 1
    return [_fill(material, fill) for fill in found[::step]]

"""
How a session went: ratios over an account's portfolio snapshots, and the round trips its positions make.

Round trips come from the positions as they are stated after every fill, liquidation and funding: a fill that was void, because
the exchange had taken the position over, is no part of them, and a liquidation is.

Amounts in the account's currency, times in microseconds, returns and drawdowns as fractions. What a position earns or
pays in another asset counts at the asset's mark of that moment, rounded half to even at 12 places; what the mark does
afterwards is conversion, which belongs to no trade. Everything is decimal: amounts and pnl are exact but for that, ratios are
rounded half to even at 12 places. A year has 365 days of 24 hours. Returns run
between the snapshots cut by timer, which lie evenly in time; drawdowns look at every snapshot. Where there is too
little to measure a value is None: a session of minutes has no volatility worth a number, and the caller should say so
rather than print zero. Ignored: compounding (the annual return in Calmar is the total return times the periods in a
year) and a risk-free rate.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import NamedTuple

from streams.domain.money import EXACT, ZERO, amount, quotient
from streams.domain.records import PortfolioSnapshot, Position, Side

SECOND = 1_000_000
YEAR = 365 * 86_400 * SECOND


class RoundTrip(NamedTuple):
    """
    From flat to flat in one symbol under one strategy; `pnl` after fees and funding, `result` a fraction of what was opened.

    Notionals are in quote units, as prices are.
    """

    account: str
    strategy: str
    symbol: str
    side: Side  # of the opening
    opened_at: int
    closed_at: int
    quantity: Decimal  # opened in all
    opened_notional: Decimal
    closed_notional: Decimal
    fees: Decimal
    funding: Decimal  # received is positive
    pnl: Decimal
    result: Decimal


class Statistics(NamedTuple):
    """What one account's session came to."""

    seconds: Decimal
    equity: Decimal
    total_return: Decimal
    volatility: Decimal | None  # a year's standard deviation of returns
    sharpe: Decimal | None
    sortino: Decimal | None  # the mean return against the deviation below zero
    calmar: Decimal | None  # a year's return against the deepest drawdown
    max_drawdown: Decimal
    max_drawdown_seconds: Decimal  # from the peak before the deepest drawdown until it was reached again, or the end
    round_trips: int
    win_rate: Decimal | None
    profit_factor: Decimal | None  # what was won against what was lost; None where nothing was lost
    expectancy: Decimal | None  # mean pnl of a round trip
    exposure_time: Decimal | None  # fraction of the time with a position open
    turnover: Decimal  # traded notional against the initial equity
    fees: Decimal
    fees_share: Decimal | None  # of the gain before fees and funding; None where there was none
    funding: Decimal
    funding_share: Decimal | None
    conversion: Decimal  # what marks of other assets have made of what is held in them; a gain is positive


class _Trip:
    """A round trip in the making."""

    def __init__(self, side: Side, opened_at: int) -> None:
        self.side = side
        self.opened_at = opened_at
        self.quantity = self.opened = self.closed = self.fees = self.funding = ZERO
        self.paid = self.realized = ZERO  # in the account's currency: what was opened, and what closing has realized


class _Walk:
    """The round trips of positions as they change, and the notional traded on the way, one position after the other."""

    def __init__(self) -> None:
        self.done: list[RoundTrip] = []
        self.traded = ZERO
        self._running: dict[tuple[str, str, str], _Trip] = {}
        self._before: dict[tuple[str, str, str], Position] = {}

    def take(self, after: Position) -> None:
        key = (after.account, after.strategy, after.symbol)
        before = self._before.get(key, after)
        new = key not in self._before
        self._before[key] = after
        was, cost_was = (ZERO, ZERO) if new else (before.quantity, abs(before.cost))
        realized, fees, funding = (
            (after.realized_pnl, after.fees, after.funding) if new
            else (after.realized_pnl - before.realized_pnl, after.fees - before.fees, after.funding - before.funding)
        )  # fmt: skip
        worth = after.conversion_mark
        fees, funding = _stated(fees, worth), _stated(funding, worth)
        turned = was * after.quantity < 0
        closed = abs(was) if turned else max(abs(was) - abs(after.quantity), ZERO)
        opened = abs(after.quantity) if turned else max(abs(after.quantity) - abs(was), ZERO)
        # A fill that turns a position round pays its fee for both trips, by quantity.
        fees_of_closed = quotient(fees * closed, closed + opened) if turned else ZERO if opened else fees
        trip = self._running.get(key)
        if trip is not None:
            trip.fees += fees_of_closed
            trip.funding += funding
        if closed:
            assert trip is not None, f"{key} has closed what was never opened"
            cost_out = cost_was if turned else cost_was - abs(after.cost)
            proceeds = cost_out + (realized if trip.side is Side.BUY else -realized)
            trip.closed += proceeds
            trip.realized += _stated(realized, worth)
            self.traded += _stated(proceeds, worth)
            if turned or not after.quantity:
                self.done.append(_completed(key, trip, after.time))
                del self._running[key]
        if opened:
            trip = self._running.get(key)
            if trip is None:
                trip = self._running[key] = _Trip(Side.BUY if after.quantity > 0 else Side.SELL, after.time)
            paid = abs(after.cost) if turned else abs(after.cost) - cost_was
            trip.quantity += opened
            trip.opened += paid
            trip.paid += _stated(paid, worth)
            trip.fees += fees - fees_of_closed
            self.traded += _stated(paid, worth)


def _stated(value: Decimal, worth: Decimal | None) -> Decimal:
    return value if worth is None else amount(value * worth)


def round_trips(positions: Iterable[Position]) -> list[RoundTrip]:
    """Every completed round trip in the order of completion, from positions as they changed, each in the order of time."""
    return _walked(positions).done


def _walked(positions: Iterable[Position]) -> _Walk:
    walk = _Walk()
    with localcontext(EXACT):
        for position in positions:
            walk.take(position)
    return walk


def _completed(key: tuple[str, str, str], trip: _Trip, time: int) -> RoundTrip:
    pnl = trip.realized - trip.fees + trip.funding
    account, strategy, symbol = key
    return RoundTrip(
        account=account, strategy=strategy, symbol=symbol, side=trip.side, opened_at=trip.opened_at, closed_at=time,
        quantity=trip.quantity, opened_notional=trip.opened, closed_notional=trip.closed, fees=trip.fees,
        funding=trip.funding, pnl=pnl, result=quotient(pnl, trip.paid),
    )


def statistics(snapshots: Sequence[PortfolioSnapshot], positions: Iterable[Position]) -> Statistics | None:
    """One account's statistics from its own snapshots and positions, each in the order of time; None without a snapshot."""
    if not snapshots:
        return None
    walk = _walked(positions)
    trips = walk.done
    with localcontext(EXACT):
        last = snapshots[-1]
        start = last.initial_equity
        gain = last.equity - start
        period = last.time - snapshots[0].time
        evenly = [snapshot for snapshot in snapshots if snapshot.reason == "TIMER"]
        returns = _returns(evenly)
        between = evenly[-1].time - evenly[0].time if returns else YEAR
        in_a_year = quotient(Decimal(YEAR * len(returns)), Decimal(between))
        deepest, lasted = _deepest_drawdown(snapshots, start)
        before_costs = gain + last.fees - last.funding
        total_return = quotient(gain, start)
        won = sum((trip.pnl for trip in trips if trip.pnl > 0), ZERO)
        lost = -sum((trip.pnl for trip in trips if trip.pnl < 0), ZERO)
        count = Decimal(len(trips))
        return Statistics(
            seconds=quotient(Decimal(period), Decimal(SECOND)), equity=last.equity, total_return=total_return,
            volatility=_volatility(returns, in_a_year), sharpe=_ratio(returns, in_a_year, _deviation(returns)),
            sortino=_ratio(returns, in_a_year, _deviation_below_zero(returns)),
            calmar=_share(total_return * quotient(Decimal(YEAR), Decimal(period)), deepest) if period else None,
            max_drawdown=deepest, max_drawdown_seconds=quotient(Decimal(lasted), Decimal(SECOND)),
            round_trips=len(trips), win_rate=_share(Decimal(sum(trip.pnl > 0 for trip in trips)), count),
            profit_factor=_share(won, lost), expectancy=_share(won - lost, count),
            exposure_time=_exposure_time(snapshots, period),
            turnover=quotient(walk.traded, start), fees=last.fees,
            fees_share=_share(last.fees, before_costs), funding=last.funding,
            funding_share=_share(last.funding, before_costs), conversion=last.conversion or ZERO,
        )


def sharpe_with_error(snapshots: Sequence[PortfolioSnapshot]) -> tuple[Decimal, Decimal] | None:
    """
    A year's Sharpe ratio of one account and its standard error, from the snapshots cut by timer; None where there is too little.

    Lo (2002) for independent returns: of one period's ratio s from n returns the error is √((1 + s²/2) / n); both grow with the root of
    the periods in a year.
    """
    with localcontext(EXACT):
        evenly = [snapshot for snapshot in snapshots if snapshot.reason == "TIMER"]
        returns = _returns(evenly)
        deviation = _deviation(returns)
        if not deviation:
            return None
        in_a_year = quotient(Decimal(YEAR * len(returns)), Decimal(evenly[-1].time - evenly[0].time))
        ratio = EXACT.divide(_mean(returns), deviation)
        error = EXACT.sqrt(EXACT.divide(1 + EXACT.divide(ratio * ratio, Decimal(2)), Decimal(len(returns))))
        year = EXACT.sqrt(in_a_year)
        return amount(ratio * year), amount(error * year)


def _share(part: Decimal, whole: Decimal) -> Decimal | None:
    return quotient(part, whole) if whole > 0 else None


def _returns(evenly: Sequence[PortfolioSnapshot]) -> list[Decimal]:
    return [
        quotient(after.equity - before.equity, before.equity) for before, after in pairwise(evenly) if before.equity > 0
    ]


def _mean(values: Sequence[Decimal]) -> Decimal:
    return EXACT.divide(sum(values, ZERO), Decimal(len(values)))


def _deviation(returns: Sequence[Decimal]) -> Decimal | None:
    """Of the sample; None for fewer than two returns."""
    if len(returns) < 2:
        return None
    mean = _mean(returns)
    squares = sum(((value - mean) ** 2 for value in returns), ZERO)
    return EXACT.sqrt(EXACT.divide(squares, Decimal(len(returns) - 1)))


def _deviation_below_zero(returns: Sequence[Decimal]) -> Decimal | None:
    if len(returns) < 2:
        return None
    return EXACT.sqrt(_mean([min(value, ZERO) ** 2 for value in returns]))


def _volatility(returns: Sequence[Decimal], in_a_year: Decimal) -> Decimal | None:
    deviation = _deviation(returns)
    return None if deviation is None else amount(deviation * EXACT.sqrt(in_a_year))


def _ratio(returns: Sequence[Decimal], in_a_year: Decimal, deviation: Decimal | None) -> Decimal | None:
    return quotient(_mean(returns) * EXACT.sqrt(in_a_year), deviation) if deviation else None


def _deepest_drawdown(snapshots: Sequence[PortfolioSnapshot], start: Decimal) -> tuple[Decimal, int]:
    """The deepest fall from a peak, as a fraction of it, and how long it lasted."""
    peak, peak_time = start, snapshots[0].time
    deepest, lasted, is_deepest = ZERO, 0, False
    for snapshot in snapshots:
        if snapshot.equity >= peak:
            if is_deepest:
                lasted = snapshot.time - peak_time
            peak, peak_time, is_deepest = snapshot.equity, snapshot.time, False
            continue
        fallen = quotient(peak - snapshot.equity, peak)
        if fallen > deepest:
            deepest, is_deepest = fallen, True
        if is_deepest:
            lasted = snapshot.time - peak_time
    return deepest, lasted


def _exposure_time(snapshots: Sequence[PortfolioSnapshot], period: int) -> Decimal | None:
    exposed = sum(after.time - before.time for before, after in pairwise(snapshots) if before.open_positions)
    return _share(Decimal(exposed), Decimal(period))

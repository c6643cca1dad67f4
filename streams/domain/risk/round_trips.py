"""
Trades from the first fill to flat: what each has earned on what was paid into it, and what follows from that.

The return is net of fees and funding, a fraction of the notional that opened the position, all in what it is quoted in,
rounded half to even at 12 places. It goes into the strategy's track record (score, Kelly, losses in a row); a loss at a
stop begins a cool-down.
"""

from decimal import Decimal
from typing import NamedTuple

from streams.domain.allocation import TrackRecord, on_closed_trade
from streams.domain.money import ZERO, quotient
from streams.domain.positions import BookPosition
from streams.domain.records import Purpose
from streams.domain.risk.allocations import set_timer, state_shares
from streams.domain.risk.state import Account, RiskState, RoundTrip, Rules
from streams.domain.risk.step import Step

STOPS = frozenset({Purpose.STOP_LOSS, Purpose.TRAILING_STOP, Purpose.LIQUIDATION})


class Standing(NamedTuple):
    """A position before something changes it."""

    quantity: Decimal
    cost: Decimal
    realized_pnl: Decimal
    fees: Decimal
    funding: Decimal


def standing(position: BookPosition | None) -> Standing:
    """What `follow` compares with; None for a position that never was."""
    if position is None:
        return Standing(ZERO, ZERO, ZERO, ZERO, ZERO)
    return Standing(position.quantity, position.cost, position.realized_pnl, position.fees, position.funding)


def follow(
    step: Step, state: RiskState, rules: Rules, account: Account, *, symbol: str, strategy: str, before: Standing,
    purpose: Purpose,
) -> None:
    """Takes in that a fill, or a liquidation, has changed the strategy's position in the symbol from `before`."""
    position = account.portfolio.positions[symbol][strategy]
    trip = account.round_trips.setdefault(symbol, {}).setdefault(strategy, RoundTrip())
    if not before.quantity:
        trip.paid = ZERO
        trip.realized_pnl, trip.fees, trip.funding = before.realized_pnl, before.fees, before.funding
    trip.paid += max(abs(position.cost) - abs(before.cost), ZERO)
    if position.quantity:
        return
    net = (position.realized_pnl - trip.realized_pnl) - (position.fees - trip.fees) + (position.funding - trip.funding)
    if net < 0 and purpose in STOPS:
        trip.stopped_out_at = step.time
    record = account.track_records.setdefault(strategy, TrackRecord())
    if on_closed_trade(record, quotient(net, trip.paid), step.time, rules.risk):
        set_timer(state)
        state_shares(step, state, rules, account, strategy)

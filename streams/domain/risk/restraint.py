"""
Check 13: what an account keeps from after losses, and from piling up what is one risk under several names.

After a stop-out the strategy stays out of the symbol for a while, after several losses in a row out of everything. Symbols
whose returns are correlated above `CORRELATION_MAX`, held the same way round (or below its negative, held opposite ways),
count as one symbol, with a limit of their own.
"""

from collections.abc import Iterator
from decimal import Decimal

from streams.domain.allocation import TrackRecord
from streams.domain.correlation import correlation
from streams.domain.money import ZERO
from streams.domain.records import Side
from streams.domain.risk.codes import RejectionCode
from streams.domain.risk.exposure import stakes
from streams.domain.risk.proposal import Correlated, Finding, Proposal, fraction, seconds
from streams.domain.risk.state import MICROSECONDS, Account, Market, Rules
from streams.domain.sizing import Room

CHECK = "restraint"


def stop_out_cooldown(proposal: Proposal) -> Iterator[Finding]:
    trip = proposal.account.round_trips.get(proposal.symbol, {}).get(proposal.strategy)
    limit = Decimal(proposal.rules.risk.stop_out_cooldown_sec)
    since = None if trip is None or trip.stopped_out_at is None else seconds(proposal.time - trip.stopped_out_at)
    yield Finding(
        CHECK, RejectionCode.STOP_OUT_COOLDOWN, since is None or since >= limit, measured=since, limit=limit,
    )


def consecutive_losses(proposal: Proposal) -> Iterator[Finding]:
    risk, record = proposal.rules.risk, proposal.account.track_records.get(proposal.strategy, TrackRecord())
    losses, over_at = record.losses_in_a_row, record.lost_at + risk.loss_cooldown_sec * MICROSECONDS
    yield Finding(
        CHECK, RejectionCode.CONSECUTIVE_LOSSES, losses < risk.max_consecutive_losses or proposal.time >= over_at,
        measured=Decimal(losses), limit=Decimal(risk.max_consecutive_losses),
    )


def correlated(account: Account, markets: dict[str, Market], rules: Rules, *, symbol: str, side: Side) -> Correlated:
    """What the account holds, or may come to hold, that is one risk with an order on `side` of `symbol`."""
    risk = rules.risk
    own = markets.get(symbol)
    others: dict[str, Decimal] = {}
    in_symbol = ZERO
    for other, _, notional in stakes(account, markets):
        if other == symbol:
            in_symbol += abs(notional)
        else:
            others[other] = others.get(other, ZERO) + notional
    total, names, unknown = ZERO, [], False
    # What strategies hold both ways round cancels out: it is no risk at all.
    for other, held in sorted((name, held) for name, held in others.items() if held):
        market = markets.get(other)
        found = None
        if own is not None and market is not None:
            found = correlation(own.returns, market.returns, risk.correlation_minutes // 2)
        if found is None:
            unknown = True
        elif (found if (held > 0) is (side is Side.BUY) else -found) > risk.correlation_max:
            total += abs(held)
            names.append(other)
    return Correlated(names=tuple(names), notional=total + in_symbol if names else ZERO, is_known=not unknown)


def correlated_room(group: Correlated, *, equity: Decimal, rules: Rules) -> tuple[Room, ...]:
    """What the limit leaves, where it holds at all."""
    if not group.names:
        return ()
    return (Room("correlated_exposure", equity * rules.risk.max_correlated_exposure_pct - group.notional),)


def correlated_exposure(proposal: Proposal) -> Iterator[Finding]:
    code, limit, group = RejectionCode.CORRELATED_EXPOSURE, proposal.rules.risk.max_correlated_exposure_pct, proposal.correlated
    if not group.names:
        yield Finding(CHECK, code, passed=True, limit=limit, note="" if group.is_known else "not_yet_measurable")
        return
    after = group.notional + proposal.added
    yield Finding(
        CHECK, code, after <= limit * proposal.equity, measured=fraction(after, proposal.equity), limit=limit,
        note=", ".join(group.names),
    )

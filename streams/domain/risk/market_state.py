"""Checks 4 and 5: whether the market is seen completely, and whether what is seen is normal."""

from collections.abc import Iterator
from decimal import Decimal

from streams.domain.money import quotient
from streams.domain.records import Mark
from streams.domain.risk.codes import RejectionCode
from streams.domain.risk.proposal import Finding, Proposal, seconds


def feed_complete(proposal: Proposal) -> Iterator[Finding]:
    mark = proposal.mark
    if mark is None:
        return  # MARK_MISSING says so already
    yield Finding("feed", RejectionCode.FEED_DOWN, not mark.feed_down)
    yield Finding("feed", RejectionCode.FEED_GAP, not mark.gap)
    risk = proposal.rules.risk
    yield Finding("feed", RejectionCode.BOOK_MISSING, mark.book_present or not risk.book_required)
    yield Finding("feed", RejectionCode.BOOK_CROSSED, not mark.book_crossed)
    if mark.book_present and mark.book_time is not None:
        age, limit = seconds(proposal.time - mark.book_time), seconds(proposal.rules.stale_after)
        yield Finding("feed", RejectionCode.BOOK_STALE, age < limit, measured=age, limit=limit)


def market_anomaly(proposal: Proposal) -> Iterator[Finding]:
    mark, signal, risk = proposal.mark, proposal.signal, proposal.rules.risk
    if mark is None or mark.mark is None:
        return
    if signal is not None and signal.price > 0:
        away = abs(mark.mark - signal.price)
        yield Finding(
            "anomaly", RejectionCode.PRICE_ANOMALY, away <= risk.max_slippage_pct * signal.price,
            measured=quotient(away, signal.price), limit=risk.max_slippage_pct,
        )
    yield _spread(mark, risk.max_spread_multiplier)


def _spread(mark: Mark, limit: Decimal) -> Finding:
    code = RejectionCode.SPREAD_ANOMALY
    if mark.best_bid is None or mark.best_ask is None or not mark.spread_mean:
        return Finding("anomaly", code, passed=True, limit=limit, note="not_yet_measurable")
    spread = quotient(2 * (mark.best_ask - mark.best_bid), mark.best_ask + mark.best_bid)  # of mid, as its mean is
    return Finding(
        "anomaly", code, spread <= limit * mark.spread_mean, measured=quotient(spread, mark.spread_mean), limit=limit
    )

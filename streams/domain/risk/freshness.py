"""Check 3: age of the signal and of the symbol's market data, in seconds; stale from `DATA_STALE_TIMEOUT_SEC` on."""

from collections.abc import Iterator
from decimal import Decimal

from streams.domain.risk.codes import RejectionCode
from streams.domain.risk.proposal import Finding, Proposal, seconds

CHECK = "freshness"


def freshness(proposal: Proposal) -> Iterator[Finding]:
    limit = Decimal(proposal.rules.risk.data_stale_timeout_sec)
    if proposal.signal is not None:
        age = seconds(proposal.time - proposal.signal.time)
        yield Finding(CHECK, RejectionCode.SIGNAL_STALE, age < limit, measured=age, limit=limit)
    yield Finding(CHECK, RejectionCode.MARK_MISSING, proposal.price is not None, binds_exits=True)
    if proposal.mark is not None:
        # By the newest real market record: marks of a feed that is down keep coming, and prove nothing.
        age, limit = seconds(proposal.time - proposal.mark.market_time), seconds(proposal.rules.stale_after)
        yield Finding(CHECK, RejectionCode.MARK_STALE, age < limit, measured=age, limit=limit, binds_exits=True)

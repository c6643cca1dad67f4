"""
Check 10: how many positions, entries an hour and orders a second an account may have, all counted after the order.

Entries in flight count as positions: they may become one. An entry that ended without a fill was no trade.
"""

from collections.abc import Iterator
from decimal import Decimal

from streams.domain.risk.codes import RejectionCode
from streams.domain.risk.proposal import Finding, Proposal
from streams.domain.risk.state import HOUR, MICROSECONDS, Account

CHECK = "trade_limits"


def trade_limits(proposal: Proposal) -> Iterator[Finding]:
    account, risk = proposal.account, proposal.rules.risk
    opens = 0 if proposal.is_exit else 1
    held = _positions(account)
    if opens:
        held.add((proposal.symbol, proposal.strategy))
    in_symbol = sum(symbol == proposal.symbol for symbol, _ in held)
    for code, count, count_max in (
        (RejectionCode.OPEN_POSITIONS, len(held), risk.max_open_positions),
        (RejectionCode.POSITIONS_A_SYMBOL, in_symbol, risk.max_positions_a_symbol),
        (
            RejectionCode.TRADES_AN_HOUR, _since(account.entry_times, proposal.time - HOUR) + opens,
            risk.max_trades_an_hour,
        ),
        (
            RejectionCode.ORDERS_A_SECOND, _since(account.order_times, proposal.time - MICROSECONDS) + 1,
            risk.max_orders_a_second,
        ),
    ):
        yield Finding(CHECK, code, count <= count_max, measured=Decimal(count), limit=Decimal(count_max))


def on_approved(account: Account, time: int, *, opens: bool) -> None:
    """Counts an order that was just approved."""
    account.order_times = [one for one in account.order_times if one > time - MICROSECONDS] + [time]
    if opens:
        account.entry_times = [one for one in account.entry_times if one > time - HOUR] + [time]


def on_unfilled(account: Account, decided_at: int) -> None:
    """An entry decided then ended without a fill: it does not count as a trade."""
    if decided_at in account.entry_times:
        account.entry_times.remove(decided_at)


def _positions(account: Account) -> set[tuple[str, str]]:
    held = {(symbol, strategy) for symbol, strategy, _ in account.portfolio.open_positions()}
    return held | {(order.symbol, order.strategy) for order in account.in_flight.values() if not order.reduces}


def _since(times: list[int], start: int) -> int:
    return sum(time > start for time in times)

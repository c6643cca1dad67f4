"""
What a session would have been with other settings: decision by decision, in money, and how far the answer can be trusted.

Both sessions are compared by their records. Exact is the answer only until the first order that one session sends to the market and the
other does not: from there on a real market would have met other orders than it did, and what follows is a guess (paper orders leave no
mark on the record). Profit is attributed twice, each time adding up to the difference in equity to the last digit: by what it is made of
for each strategy and symbol, and by the trades that only one session made, both made differently, or that are still open.
"""

from decimal import Decimal
from typing import NamedTuple

from streams.domain.ids import order_key
from streams.domain.money import ZERO
from streams.domain.portfolio import Portfolio
from streams.domain.positions import BookPosition
from streams.domain.records import Order, OrderResult, Position, Record
from streams.domain.risk.state import Account, RiskState
from streams.domain.statistics import RoundTrip, round_trips
from streams.errors import DecodeError
from streams.log.journal import read_range
from streams.replay.questions.places import Placed
from streams.replay.recorded.recorded import Recorded
from streams.replay.recorded.rerun import Rerun

# In the order in which one leads to the next, at one time.
COMPARED = ("regimes", "signals", "orders", "order_results")
# What an order says to the market.
_TERMS = ("side", "quantity", "order_type", "limit_price", "stop_price", "expires_at", "target_order_id")


class Changed(NamedTuple):
    """A record that the two sessions have differently; None where one has none. `kind` in words, `detail` with values."""

    topic: str
    kind: str
    detail: str
    was: Placed | None
    now: Placed | None

    @property
    def either(self) -> Placed:
        found = self.was or self.now
        assert found is not None, "one of the two has the record"
        return found

    @property
    def record(self) -> Record:
        return self.either.record


class Part(NamedTuple):
    """
    What a strategy's position in a symbol contributes to the difference in an account's equity; fees paid less are positive.

    In the account's currency, each session's amounts of other assets at its newest mark; what they were worth when they came
    otherwise is `conversion`, of the account as a whole.
    """

    account: str
    strategy: str
    symbol: str
    realized: Decimal
    unrealized: Decimal
    fees: Decimal
    funding: Decimal
    conversion: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.realized + self.unrealized + self.fees + self.funding + self.conversion


class Trades(NamedTuple):
    """Closed trades of one kind of difference: how many, and what they contribute."""

    account: str
    kind: str
    trades: int
    pnl: Decimal


class AccountChange(NamedTuple):
    """An account's equity at the end in both sessions, and where the difference comes from."""

    account: str
    was: Decimal
    now: Decimal
    parts: list[Part]
    trades: list[Trades]


class WhatIf(NamedTuple):
    """
    `changed`: signals, decisions and answers that differ, in the order of time. `guess_from`: the first order that only one session
    sends to the market; None: the answer is exact to `end`.
    """

    end: int
    changed: list[Changed]
    guess_from: Changed | None
    accounts: list[AccountChange]

    @property
    def first(self) -> Changed | None:
        return self.changed[0] if self.changed else None


def compared(base: Recorded, other: Recorded) -> WhatIf:
    """The sessions side by side, as far as both have come. Raises: LogError, ReplayMismatch as a replay."""
    end = min(base.end(), other.end())
    changed = [one for topic in COMPARED for one in _differences(base, other, topic, end)]
    changed.sort(key=lambda one: (one.record.time, COMPARED.index(one.topic), order_key(one.record.event_id)))
    return WhatIf(end, changed, next((one for one in changed if _is_market_told(one)), None), _accounts(base, other, end))


def _differences(base: Recorded, other: Recorded, topic: str, end: int) -> list[Changed]:
    was, now = _by_id(base, topic, end), _by_id(other, topic, end)
    found = []
    for event_id in sorted(was.keys() | now.keys(), key=order_key):
        kind, detail = _difference(was.get(event_id), now.get(event_id))
        if kind:
            found.append(Changed(topic, kind, detail, was.get(event_id), now.get(event_id)))
    return found


def _by_id(recorded: Recorded, topic: str, end: int) -> dict[str, Placed]:
    layout, log = recorded.layout, recorded.log
    found = {}
    for number in range(layout.count(topic)):
        place = layout.at(topic, number)
        for message in read_range(log, place, log.start_offset(place), log.end_offset(place)):
            if message.value is None:
                continue
            try:
                record = recorded.codec.decode(message.value, layout.record_of(topic))
            except DecodeError:
                continue  # of others: no stage has read it either
            if record.time <= end:
                found[record.event_id] = Placed(topic, number, message.offset, record)
    return found


def _difference(was: Placed | None, now: Placed | None) -> tuple[str, str]:
    """Kind and detail; both empty where there is none that matters: another measure in a check decides nothing."""
    if was is None or now is None:
        return "only with the other settings" if was is None else "only in the session", ""
    one, other = was.record, now.record
    if one == other:
        return "", ""
    if isinstance(one, Order) and isinstance(other, Order):
        if one.approved != other.approved:
            refused = one.rejection_code or other.rejection_code or ""
            return "approved, was refused" if other.approved else "refused, was approved", refused
        if not one.approved:
            codes = (one.rejection_code or "", other.rejection_code or "")
            return ("", "") if codes[0] == codes[1] else ("refused for another reason", f"{codes[1]}, was {codes[0]}")
    if isinstance(one, Order | OrderResult) and isinstance(other, Order | OrderResult):
        if one.quantity != other.quantity:
            return "another quantity", f"{_plain(other.quantity)}, was {_plain(one.quantity)}"
        if isinstance(one, Order) and isinstance(other, Order):
            return ("", "") if _terms(one) == _terms(other) else ("other terms", "")
    return "other values", ""


def _is_market_told(changed: Changed) -> bool:
    """Whether the market hears of one order in one session, and in the other of none or of another one."""
    sent = [
        _terms(one.record) for one in (changed.was, changed.now)
        if one is not None and isinstance(one.record, Order) and one.record.approved
    ]  # fmt: skip
    return bool(sent) and (len(sent) == 1 or sent[0] != sent[1])


def _terms(order: Order) -> tuple[object, ...]:
    return tuple(getattr(order, name) for name in _TERMS)


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _accounts(base: Recorded, other: Recorded, end: int) -> list[AccountChange]:
    was, now = _states(base, end), _states(other, end)
    trips_was, trips_now = _trips(base, end), _trips(other, end)
    found = []
    for name, before in was.items():
        after = now[name]
        held_was = {(symbol, strategy): one for symbol, strategy, one in before.portfolio.each()}
        held_now = {(symbol, strategy): one for symbol, strategy, one in after.portfolio.each()}
        parts = [
            _part(
                name, strategy, symbol, _stated(before.portfolio, held_was.get((symbol, strategy))),
                _stated(after.portfolio, held_now.get((symbol, strategy))),
            )
            for symbol, strategy in sorted(held_was.keys() | held_now.keys())
        ]
        parts = [one for one in parts if any((one.realized, one.unrealized, one.fees, one.funding))]
        started = after.portfolio.initial_equity - before.portfolio.initial_equity
        gained = after.portfolio.equity - before.portfolio.equity
        rest = gained - started - sum((one.total for one in parts), ZERO)
        if before.portfolio.balances or after.portfolio.balances:
            parts += [Part(name, "", "", ZERO, ZERO, ZERO, ZERO, rest)] if rest else []
        else:
            assert not rest, f"the parts of {name} do not add up to {gained}"
        trades = _trades(name, trips_was.get(name, {}), trips_now.get(name, {}))
        converted = after.portfolio.conversion() - before.portfolio.conversion()
        open_still = gained - started - converted - sum((one.pnl for one in trades), ZERO)
        others = (("still open", open_still), ("conversion", converted), ("initial equity", started))
        extra = [(kind, value) for kind, value in others if value]
        trades += [Trades(name, kind, 0, value) for kind, value in extra]
        found.append(AccountChange(name, before.portfolio.equity, after.portfolio.equity, parts, trades))
    return found


def _states(recorded: Recorded, end: int) -> dict[str, Account]:
    """The accounts as they stand at the end."""
    found: dict[str, Account] = {}
    for stage, number in recorded.tasks():
        if stage.takes_commands:
            rerun = Rerun(recorded, stage, number, start=end, end=end)
            try:
                state = rerun.reached(end).task.state
            finally:
                rerun.close()
            assert isinstance(state, RiskState)
            found |= state.accounts
    return found


class _Earned(NamedTuple):
    """A position's terms in its account's currency."""

    realized: Decimal = ZERO
    unrealized: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO


def _stated(book: Portfolio, position: BookPosition | None) -> _Earned:
    if position is None:
        return _Earned()
    terms = (position.realized_pnl, position.unrealized_pnl, position.fees, position.funding)
    return _Earned(*(book.stated(position.asset, term) for term in terms))


def _part(account: str, strategy: str, symbol: str, was: _Earned, now: _Earned) -> Part:
    return Part(
        account, strategy, symbol, now.realized - was.realized, now.unrealized - was.unrealized, was.fees - now.fees,
        now.funding - was.funding,
    )  # fmt: skip


_Trip = tuple[str, str, int]


def _trips(recorded: Recorded, end: int) -> dict[str, dict[_Trip, RoundTrip]]:
    """Closed trades by account, then by strategy, symbol and the moment of their opening."""
    stated = [one.record for one in _by_id(recorded, "positions", end).values() if isinstance(one.record, Position)]
    stated.sort(key=lambda one: (one.time, order_key(one.event_id)))
    found: dict[str, dict[_Trip, RoundTrip]] = {}
    for trip in round_trips(stated):
        found.setdefault(trip.account, {})[trip.strategy, trip.symbol, trip.opened_at] = trip
    return found


def _trades(account: str, was: dict[_Trip, RoundTrip], now: dict[_Trip, RoundTrip]) -> list[Trades]:
    gone = [-was[key].pnl for key in was.keys() - now.keys()]
    new = [now[key].pnl for key in now.keys() - was.keys()]
    other = [now[key].pnl - was[key].pnl for key in was.keys() & now.keys() if was[key] != now[key]]
    kinds = (("only in the session", gone), ("only with the other settings", new), ("in both, otherwise", other))
    return [Trades(account, kind, len(pnl), sum(pnl, ZERO)) for kind, pnl in kinds if pnl]

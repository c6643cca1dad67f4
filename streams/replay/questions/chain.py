"""
Why something happened: the causes of a record down to what began it, and what it brought about in turn, up to the ledger.

A decision's tree begins with a market record, a timer or an operator's command. Along the way each link says when, after how long, and
where it stands. What a decision saw without being caused by it (the newest mark, the market record that a fill met) hangs beside it as
"saw" and "met". An answer belongs to its order, whatever record or timer made the exchange speak.
"""

from collections.abc import Collection
from typing import NamedTuple

from streams.domain.records import Alert, Allocation, LedgerEntry, MarketData, Order, OrderResult, PortfolioSnapshot, Position
from streams.replay.questions.places import Cause, Placed, Places, TakenCommand, TimerCause
from streams.replay.recorded.recorded import Recorded

# A chain of fills that stop each other out ends somewhere; this only keeps a tree readable.
LINKS_MAX = 40

_LEAVES = (Alert, Allocation, LedgerEntry, PortfolioSnapshot, Position)


class Link(NamedTuple):
    """One thing in a chain. `role`: "cause" on the way to what was asked for, "asked", "effect", "saw" or "met"; times in µs."""

    role: str
    event_id: str
    cause: Cause
    time: int
    after: int | None  # since the link it hangs from; negative where that came later
    links: list["Link"]


class Chain(NamedTuple):
    """The whole tree from its beginning; `asked` is the record it is about."""

    asked: Placed
    root: Link


def why(recorded: Recorded, event_id: str) -> Chain:
    """
    The chain of a record: of a fill, order, signal, position, ledger entry, alert, mark or market record.

    Raises: ConfigError where the session has no record of that id; LogError as the log.
    """
    return _Search(Places(recorded), recorded.settings.feed.symbols).chain(event_id)


class _Search:
    """One chain in the making."""

    def __init__(self, places: Places, symbols: Collection[str]) -> None:
        self._places = places
        self._symbols = symbols
        self._count = 0

    def chain(self, event_id: str) -> Chain:
        asked = self._places.record(event_id)
        path = self._path(asked)
        [(root_id, root), *rest] = path
        return Chain(asked, self._link(root_id, root, rest, None, "asked" if not rest else "cause"))

    def _path(self, asked: Placed) -> list[tuple[str, Cause]]:
        """From what began it to what was asked for."""
        path: list[tuple[str, Cause]] = [(asked.record.event_id, asked)]
        while isinstance(path[0][1], Placed):
            record = path[0][1].record
            parent = record.order_id if isinstance(record, OrderResult) else record.causation_id
            if parent == record.event_id:
                break
            path.insert(0, (parent, self._places.cause(parent)))
        return path

    def _link(self, event_id: str, cause: Cause, rest: list[tuple[str, Cause]], before: int | None, role: str) -> Link:
        """One link of the path and what hangs from it; below what was asked for, all that it brought about."""
        time = time_of(cause)
        links = self._beside(event_id, cause, time)
        if rest:
            (next_id, following), further = rest[0], rest[1:]
            last = not further
            if last and isinstance(cause, Placed) and isinstance(cause.record, OrderResult):
                # A position is what a fill made of it, together with its line in the ledger.
                links += [
                    self._link(one.record.event_id, one, [], time, "asked" if one.record.event_id == next_id else "effect")
                    for one in self._places.effects(cause, event_id, "risk")
                ]
            else:
                links.append(self._link(next_id, following, further, time, "asked" if last else "cause"))
        else:
            links += self._effects(event_id, cause, time)
        return Link(role, event_id, cause, time, None if before is None else time - before, links)

    def _effects(self, event_id: str, cause: Cause, time: int) -> list[Link]:
        self._count += 1
        if self._count > LINKS_MAX or not isinstance(cause, Placed) or isinstance(cause.record, _LEAVES):
            return []
        record = cause.record
        found: list[Placed] = []
        if isinstance(record, Order):
            found = self._places.results(cause) if record.approved else []
        elif isinstance(record, MarketData):
            found = self._places.effects(cause, event_id, "signals")
        elif cause.topic in ("signals", "order_results", "marks", "regimes", "funding"):
            found = self._places.effects(cause, event_id, "risk")
        return [self._link(one.record.event_id, one, [], time, "effect") for one in found]

    def _beside(self, event_id: str, cause: Cause, time: int) -> list[Link]:
        """What was seen or met without having caused anything here."""
        places = self._places
        if isinstance(cause, TimerCause):
            # What a symbol's timer closes, and the newest that the market had said by then.
            seen = [one for one in places.effects(cause, event_id, "signals") if one.topic == "candles"] if cause.name == "candle" else []
            newest = places.newest("market_data", cause.key, time) if cause.key in self._symbols else None
            return [self._aside("saw", one, time) for one in [newest, *seen] if one is not None]
        if not isinstance(cause, Placed):
            return []
        record = cause.record
        if isinstance(record, Order) and record.decision_mark is not None:
            mark = places.newest("marks", record.symbol, time)
            return [self._aside("saw", mark, time)] if mark is not None and mark.record.event_id != record.causation_id else []
        if isinstance(record, OrderResult) and record.market_event_id is not None:
            met = places.cause(record.market_event_id)
            return [self._aside("met", met, time)] if isinstance(met, Placed) else []
        return []

    @staticmethod
    def _aside(role: str, placed: Placed, before: int) -> Link:
        return Link(role, placed.record.event_id, placed, placed.record.time, placed.record.time - before, [])


def time_of(cause: Cause) -> int:
    """When something happened, µs of logical time; a command when it was taken."""
    match cause:
        case Placed():
            return cause.record.time
        case TimerCause():
            return cause.deadline
        case TakenCommand():
            return cause.time

"""
Trades of one symbol that were told already, though the same trade is heard from several sources and not always bears an id.

Each source (a connection, or one answer by REST) tells every trade once. A trade with an id is new where no connection told that id, so
that equal trades (time, price, quantity, side) are told apart even where two connections have heard different ones of them. Without an
id (before June 2026; those of REST are not the websocket's), of equal trades as many have happened as the source that tells most of them
says: one is new where its source has told more than were told before. One that was told without an id and comes with one later (an
answer by REST, then a connection) is that one. Only the newest `KEPT` are known.
"""

from collections import Counter, OrderedDict
from decimal import Decimal

from streams.domain.records import Side, Trade

KEPT = 3000

# Time, price, quantity, whether it bought: values that the garbage collector need not look at, as there are many.
Key = tuple[int, Decimal, Decimal, bool]


def key_of(trade: Trade) -> Key:
    return trade.time, trade.price, trade.quantity, trade.aggressor is Side.BUY


class TradesSeen:
    """`since`: the time (µs) from which every trade told is known here."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._told: OrderedDict[Key, int] = OrderedDict()
        # Of those told, how many still have no id.
        self._nameless: Counter[Key] = Counter()
        self._by_source: dict[str, Counter[Key]] = {}
        self._ids: OrderedDict[str, None] = OrderedDict()
        self.since = 0
        self.duplicates = 0

    def new(self, source: str, trades: list[Trade], *, by_id: bool = True) -> list[Trade]:
        """Those that were not told before, in their order. `by_id`: the source calls a trade as all others of its kind do."""
        found = [
            trade for trade in trades
            if (self._is_named_new(trade) if by_id and trade.trade_id else self._is_nameless_new(source, trade))
        ]  # fmt: skip
        self.duplicates += len(trades) - len(found)
        while len(self._told) > self._kept:
            self._forget()
        return found

    def agrees(self, answer: list[Trade], *, before: int) -> bool:
        """Whether an answer by REST holds the trades told of its own span before a time: if not, it counts otherwise than we do."""
        if not answer:
            return True
        held = Counter(key_of(trade) for trade in answer)
        oldest = min(trade.time for trade in answer)
        return all(held[key] >= count for key, count in self._told.items() if oldest < key[0] < before)

    def end(self, source: str) -> None:
        """Forgets how often a source has told what; it tells no more."""
        self._by_source.pop(source, None)

    def _is_named_new(self, trade: Trade) -> bool:
        ids = self._ids
        if trade.trade_id in ids:
            return False
        ids[trade.trade_id] = None
        if len(ids) > self._kept:
            ids.popitem(last=False)
        key = key_of(trade)
        if self._nameless and self._nameless[key]:
            self._nameless[key] -= 1
            return False
        self._told[key] = self._told.get(key, 0) + 1
        return True

    def _is_nameless_new(self, source: str, trade: Trade) -> bool:
        counts = self._by_source.setdefault(source, Counter())
        key = key_of(trade)
        counts[key] += 1
        if counts[key] <= self._told.get(key, 0):
            return False
        self._told[key] = counts[key]
        self._nameless[key] += 1
        return True

    def _forget(self) -> None:
        key, _ = self._told.popitem(last=False)
        self.since = max(self.since, key[0] + 1)
        self._nameless.pop(key, None)
        for counts in self._by_source.values():
            counts.pop(key, None)

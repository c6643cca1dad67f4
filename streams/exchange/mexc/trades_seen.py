"""
Trades of one symbol that were told already, though the same trade is heard from several sources and mostly bears no id.

Each source (a connection, or one answer by REST) tells every trade once. So of equal trades (time, price, quantity, side) as many have
happened as the source that tells most of them says: a trade is new where its source has told more equal ones than were told by any
before. A source that tells one id twice repeats itself. Only the newest `KEPT` are known.
"""

from collections import Counter, OrderedDict
from decimal import Decimal

from streams.domain.records import Side, Trade

KEPT = 3000

Key = tuple[int, Decimal, Decimal, Side]


def key_of(trade: Trade) -> Key:
    return trade.time, trade.price, trade.quantity, trade.aggressor


class TradesSeen:
    """`since`: the time (µs) from which every trade told is known here."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._told: OrderedDict[Key, int] = OrderedDict()
        self._by_source: dict[str, Counter[Key]] = {}
        self._ids: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.since = 0
        self.duplicates = 0

    def new(self, source: str, trades: list[Trade]) -> list[Trade]:
        """Those that were not told before, in their order."""
        counts = self._by_source.setdefault(source, Counter())
        found = []
        for trade in trades:
            if self._is_repeated(source, trade):
                self.duplicates += 1
                continue
            key = key_of(trade)
            counts[key] += 1
            if counts[key] > self._told.get(key, 0):
                self._told[key] = counts[key]
                found.append(trade)
            else:
                self.duplicates += 1
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

    def _is_repeated(self, source: str, trade: Trade) -> bool:
        if not trade.trade_id:
            return False
        name = (source, trade.trade_id)
        if name in self._ids:
            return True
        self._ids[name] = None
        if len(self._ids) > self._kept:
            self._ids.popitem(last=False)
        return False

    def _forget(self) -> None:
        while len(self._told) > self._kept:
            key, _ = self._told.popitem(last=False)
            self.since = max(self.since, key[0] + 1)
            for counts in self._by_source.values():
                counts.pop(key, None)

"""
A second opinion on fills: the exchange's book rebuilt from a recording's raw frames with plain dicts, by Binance's own recipe.

Shares no code with the product. A recording's line number is its market record's sequence plus one.
"""

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

Levels = list[tuple[Decimal, Decimal]]


class Visible(NamedTuple):
    """What a taker meets at one moment, best price first."""

    asks: Levels
    bids: Levels


def books_at(path: Path, sequences: set[int]) -> Iterator[tuple[int, Visible]]:
    """The book after each of these lines (counted from 0), in their order."""
    book = _Book()
    with gzip.open(path, "rt") as lines:
        for sequence, line in enumerate(islice(lines, max(sequences) + 1)):
            book.on_frame(json.loads(line.partition(" ")[2]))
            if sequence in sequences:
                yield sequence, book.visible()


def average_price(levels: Levels, quantity: Decimal) -> Decimal | None:
    """Of taking `quantity` from the best level on; None where less is displayed."""
    left, cost = quantity, Decimal(0)
    for price, shown in levels:
        taken = min(left, shown)
        left, cost = left - taken, cost + price * taken
        if not left:
            return cost / quantity
    return None


class _Book:
    def __init__(self) -> None:
        self.asks: dict[Decimal, Decimal] = {}
        self.bids: dict[Decimal, Decimal] = {}
        self.version: int | None = None
        self.before_snapshot: list[dict[str, Any]] = []
        self.ticker: dict[str, Any] | None = None

    def on_frame(self, frame: dict[str, Any]) -> None:
        if "lastUpdateId" in frame:
            self.version = frame["lastUpdateId"]
            self.asks, self.bids = _side(frame["asks"]), _side(frame["bids"])
            for diff in self.before_snapshot:
                self.on_diff(diff)
        elif frame["data"].get("e") == "depthUpdate":
            self.on_diff(frame["data"])
        elif "B" in frame["data"]:
            self.ticker = frame["data"]

    def on_diff(self, diff: dict[str, Any]) -> None:
        if self.version is None:
            self.before_snapshot.append(diff)
        elif diff["u"] > self.version:
            assert diff["U"] <= self.version + 1, "the recording has a gap"
            self.version = diff["u"]
            for side, changes in ((self.asks, diff["a"]), (self.bids, diff["b"])):
                side.update(_side(changes))
                for price in [price for price, quantity in _side(changes).items() if not quantity]:
                    del side[price]

    def visible(self) -> Visible:
        """Levels behind the newest ticker where that is newer than they are."""
        assert self.version is not None, "no book before the snapshot"
        asks, bids = sorted(self.asks.items()), sorted(self.bids.items(), reverse=True)
        top = self.ticker
        if top is not None and top["u"] > self.version:
            ask, bid = Decimal(top["a"]), Decimal(top["b"])
            asks = [(ask, Decimal(top["A"])), *(level for level in asks if level[0] > ask)]
            bids = [(bid, Decimal(top["B"])), *(level for level in bids if level[0] < bid)]
        return Visible(asks, bids)


def _side(levels: list[list[str]]) -> dict[Decimal, Decimal]:
    return {Decimal(price): Decimal(quantity) for price, quantity in levels}

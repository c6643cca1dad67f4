"""
What a running session shows, gathered from its topics as they grow: the newest of each kind, and a few lines of history.

Reads market_data never (at full speed that would cost as much as a stage): the feed's journal says how much there is.
"""

from collections import deque
from decimal import Decimal

from streams.domain.parameters import SessionSettings
from streams.domain.records import Alert, JournalEntry, Mark, Order, OrderResult, PortfolioSnapshot, Position, Signal
from streams.errors import DecodeError
from streams.log.codec import Codec
from streams.log.interface import Log, Message
from streams.log.layout import Layout

TOPICS = ("marks", "signals", "orders", "order_results", "positions", "portfolio_snapshots", "alerts", "journal", "dead_letters")
HISTORY = 10
READ_MAX = 2000
# Beyond this every second point of the equity curve is left out: it spans the session, however long that is.
CURVE_POINTS_MAX = 1200


class LiveModel:
    """Newest marks, decisions, fills, positions and equity of one session; of decisions, fills and alerts the last `history`."""

    def __init__(self, log: Log, codec: Codec, settings: SessionSettings, *, history: int = HISTORY) -> None:
        self._codec = codec
        self._layout = layout = Layout.of(settings)
        partitions = [layout.at(topic, n) for topic in TOPICS for n in range(layout.count(topic))]
        self._reader = log.reader({partition: log.start_offset(partition) for partition in partitions})
        self.settings = settings
        self.marks: dict[str, Mark] = {}
        self.positions: dict[tuple[str, str, str], Position] = {}
        self.portfolios: dict[str, PortfolioSnapshot] = {}
        self.signals: deque[Signal] = deque(maxlen=history)
        self.decisions: deque[Order] = deque(maxlen=history)
        self.fills: deque[OrderResult] = deque(maxlen=history)
        self.alerts: deque[Alert] = deque(maxlen=history)
        self.curve: list[tuple[int, Decimal]] = []  # (time, equity of all accounts), at each of their snapshots
        self.frontiers: dict[str, int] = {}
        self.counts = {"signals": 0, "approved": 0, "refused": 0, "fills": 0, "alerts": 0, "dead_letters": 0}
        self.feed_records = 0
        self.feed_watermark = -1
        self.first_watermark = -1

    def poll(self, seconds: float) -> int:
        """Takes in what is new; waits at most `seconds` for it. Returns how many records there were."""
        messages = self._reader.poll(READ_MAX, seconds)
        for message in messages:
            if message.value is not None:
                self._take(message)
        return len(messages)

    def close(self) -> None:
        self._reader.close()

    def lag_seconds(self, task: str) -> float | None:
        """How far a task's frontier is behind the feed's promise, in seconds of market time."""
        frontier = self.frontiers.get(task)
        if frontier is None or self.feed_watermark < 0 or frontier < 0:
            return None
        return max(self.feed_watermark - frontier, 0) / 1e6

    def equity(self) -> Decimal:
        """Of all accounts together."""
        return sum((one.equity for one in self.portfolios.values()), Decimal(0))

    def _draw(self, time: int) -> None:
        """One more point, once every account has told its equity: before that the sum is of some."""
        if len(self.portfolios) < len(self.settings.accounts):
            return
        if self.curve and self.curve[-1][0] == time:
            self.curve.pop()
        self.curve.append((time, self.equity()))
        if len(self.curve) > CURVE_POINTS_MAX:
            self.curve = [*self.curve[:-1:2], self.curve[-1]]

    def _take(self, message: Message) -> None:
        topic = message.topic[len(self._layout.session) + 1 :]
        if topic == "dead_letters":
            self.counts["dead_letters"] += 1
            return
        try:
            record = self._codec.decode(message.value or b"")
        except DecodeError:
            return  # a stage writes its dead letter, which is counted
        match record:
            case Mark():
                self.marks[record.symbol] = record
            case Signal():
                self.signals.append(record)
                self.counts["signals"] += 1
            case Order():
                self.decisions.append(record)
                self.counts["approved" if record.approved else "refused"] += 1
            case OrderResult():
                self.fills.append(record)
                self.counts["fills"] += record.quantity > 0
            case Position():
                self.positions[record.account, record.strategy, record.symbol] = record
            case PortfolioSnapshot():
                self.portfolios[record.account] = record
                self._draw(record.time)
            case Alert():
                self.alerts.append(record)
                self.counts["alerts"] += 1
            case JournalEntry() if record.stage == "feed":
                self.feed_records, self.feed_watermark = record.outputs_count, record.watermark
                self.first_watermark = self.first_watermark if self.first_watermark >= 0 else record.watermark
            case JournalEntry():
                self.frontiers[f"{record.stage}-{record.task}"] = record.frontier
            case _:
                pass

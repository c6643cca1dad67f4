"""
What accounts and strategies stand at: from the newest committed portfolio snapshots, positions and signals of a session.

Read from the topics, not asked of risk's process: so it holds while risk is down or moves, says what is committed and nothing
else, and costs the stage nothing. Topics are read from their beginning once; a week of a session is some ten thousand records of each.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import chain

from streams.domain.money import ZERO
from streams.domain.parameters import SessionSettings
from streams.domain.records import PortfolioSnapshot, Position, RiskMode, SessionManifest
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.log.layout import Layout
from streams.metrics import catalogue as m
from streams.metrics.catalogue import Metric
from streams.operate.lag.follow import Follower

MICROSECONDS = 1_000_000
Values = Mapping[tuple[str, ...], float]

_ACCOUNT: tuple[tuple[Metric, Callable[[PortfolioSnapshot], Decimal | float | None]], ...] = (
    (m.EQUITY, lambda one: one.equity),
    (m.CASH, lambda one: one.cash),
    (m.DAILY_PNL, lambda one: one.daily_pnl),
    (m.REALIZED_PNL, lambda one: one.realized_pnl),
    (m.UNREALIZED_PNL, lambda one: one.unrealized_pnl),
    (m.FEES, lambda one: one.fees),
    (m.DRAWDOWN, lambda one: one.drawdown),
    (m.DAILY_DRAWDOWN, lambda one: one.daily_drawdown),
    (m.EXPOSURE, lambda one: one.exposure),
    (m.EXPOSURE_RATIO, lambda one: one.exposure / one.equity if one.equity > 0 else None),
    (m.OPEN_POSITIONS, lambda one: one.open_positions),
    (m.SNAPSHOT_TIME, lambda one: one.time / MICROSECONDS),
)
_STRATEGY: tuple[tuple[Metric, Callable[[Position], Decimal | int]], ...] = (
    (m.STRATEGY_EXPOSURE, lambda one: abs(one.quantity) * (one.mark or one.entry_price or ZERO)),
    (m.STRATEGY_REALIZED, lambda one: one.realized_pnl),
    (m.STRATEGY_UNREALIZED, lambda one: one.unrealized_pnl),
    (m.STRATEGY_POSITIONS, lambda one: int(one.quantity != 0)),
)


class Standing:
    """The newest of everything, of one session; `turn` reads what came since."""

    def __init__(self, log: Log, codec: Codec, settings: SessionSettings, manifest: SessionManifest) -> None:
        layout = Layout.of(settings)
        self._codec, self._session = codec, settings.session
        self._signals, self._positions, self._snapshots = (
            Follower(log, {(place := layout.at(topic, n)): log.start_offset(place) for n in range(layout.count(topic))})
            for topic in ("signals", "positions", "portfolio_snapshots")
        )
        self._last_signal = manifest.time
        self.accounts: dict[str, PortfolioSnapshot] = {}
        self.positions: dict[tuple[str, str, str], Position] = {}

    def turn(self) -> None:
        """Raises: LogError."""
        # Kafka's own millisecond of a signal's time is enough, so none is decoded.
        times = [message.time for message in self._signals.messages() if message.value is not None]
        self._last_signal = max([self._last_signal, *times])
        for message in chain(self._positions.messages(), self._snapshots.messages()):
            if message.value is None:
                continue
            record = self._codec.decode(message.value)
            if isinstance(record, PortfolioSnapshot):
                self.accounts[record.account] = record
            elif isinstance(record, Position):
                self.positions[record.account, record.strategy, record.symbol] = record

    def values(self) -> Iterator[tuple[Metric, Values]]:
        """Each metric with its values by labels."""
        session = self._session
        for metric, read in _ACCOUNT:
            found = {(session, name): read(one) for name, one in self.accounts.items()}
            yield metric, {labels: float(value) for labels, value in found.items() if value is not None}
        yield m.RISK_MODE, {
            (session, name, mode.value): float(one.risk_mode is mode) for name, one in self.accounts.items() for mode in RiskMode
        }
        for metric, part in _STRATEGY:
            total: dict[tuple[str, ...], float] = {}
            for (account, strategy, _), one in self.positions.items():
                total[session, account, strategy] = total.get((session, account, strategy), 0.0) + float(part(one))
            yield metric, total
        yield m.LAST_SIGNAL, {(session,): self._last_signal / MICROSECONDS}

    def close(self) -> None:
        for follower in (self._signals, self._positions, self._snapshots):
            follower.close()

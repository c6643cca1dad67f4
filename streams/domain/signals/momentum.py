"""
Momentum: follows a price that moved far enough in the last minutes, on enough volume.

The change is that of the last trade price against the price `SIGNAL_LOOKBACK_MIN` minutes ago, in per cent, rounded half to even
at 12 places. Time goes by logical time in whole seconds: the price of then is that of the last trade before the second in which
then falls, the volume is everything traded from that second on. One entry for each second with trades is kept, so memory is
bounded by the lookback, and both numbers are exact.

BUY where change ≥ threshold, SELL where change ≤ −threshold (a SELL closes a long; whether it may open a short is risk's word).
A signal goes out when the condition becomes true, and again while it stays or becomes true, at most every `SIGNAL_REPEAT_SEC`
for the same side. Nothing is signalled before a trade is older than the lookback.
Deliberately ignored: gaps in the feed (risk refuses what was decided on them), order book, candles.
"""

from decimal import Decimal
from typing import ClassVar

import msgspec
from pydantic import Field

from streams.domain.money import ONE, ZERO, quotient
from streams.domain.records import Side
from streams.domain.signals.strategy import SECOND, Idea, Moment, StrategySettings, plain

HUNDRED = Decimal(100)
TEN = Decimal(10)


class MomentumSettings(StrategySettings):
    """Lookback in minutes (0.25 is 15 s; part seconds are cut), threshold in per cent, volume in quote currency."""

    signal_lookback_min: Decimal = Field(Decimal(15), ge=Decimal("0.1"), le=Decimal(1440))
    signal_threshold_pct: Decimal = Field(Decimal("3.0"), ge=Decimal("0.001"), le=Decimal(100))
    signal_min_volume: Decimal = Field(Decimal(100_000), ge=0, le=Decimal("1e12"))
    signal_repeat_sec: int = Field(5, ge=1, le=3600)


class SecondOfTrades(msgspec.Struct):
    """`second` since 1970 (logical time), its last price and its quote volume."""

    second: int
    price: Decimal
    quote_volume: Decimal


class MomentumState(msgspec.Struct):
    """
    `seconds` within the lookback, oldest first, and their `quote_volume`; `reference` is the price before them.

    `largest_change` (per cent, signed) and `largest_volume` are the largest seen once warm; `side`, `signalled_at` of the
    last signal; `first_second`, `newest_second` say how warm it is.
    """

    seconds: list[SecondOfTrades] = []
    quote_volume: Decimal = ZERO
    reference: Decimal | None = None
    first_second: int | None = None
    newest_second: int = 0
    largest_change: Decimal | None = None
    largest_volume: Decimal = ZERO
    signals: int = 0
    side: Side | None = None
    signalled_at: int = 0


class Momentum:
    """The rule; one instance for each strategy of this kind."""

    Settings: ClassVar[type[StrategySettings]] = MomentumSettings
    State: ClassVar[type[msgspec.Struct]] = MomentumState

    def __init__(self, settings: MomentumSettings) -> None:
        self.settings = settings
        self._lookback = int(settings.signal_lookback_min * 60)
        self._minutes = plain(settings.signal_lookback_min)

    def on_event(self, state: MomentumState, moment: Moment) -> Idea | None:
        if not moment.trades:
            return None
        self._remember(state, moment)
        price, reference = moment.trades[-1].price, state.reference
        if reference is None:
            return None
        change = quotient((price - reference) * HUNDRED, reference)
        if state.largest_change is None or abs(change) > abs(state.largest_change):
            state.largest_change = change
        state.largest_volume = max(state.largest_volume, state.quote_volume)
        side = self._side(state, change)
        if side is None:
            return None
        if side is state.side and moment.time < state.signalled_at + self.settings.signal_repeat_sec * SECOND:
            return None
        state.side, state.signalled_at, state.signals = side, moment.time, state.signals + (not moment.history)
        return self._idea(state, side=side, change=change, price=price, reference=reference)

    def diagnosis(self, state: MomentumState) -> str:
        """Why there were no signals, or how many; measured numbers beside the settings they are compared with."""
        settings = self.settings
        if state.first_second is None:
            return f"no trades seen yet; needs {self._minutes} min of them"
        if state.largest_change is None:
            left = self._lookback - (state.newest_second - state.first_second)
            return (
                f"warming up: {max(left, 0)} s of {self._lookback} s left until a change can be measured; largest change so far "
                f"{plain(_largest_change(state.seconds))} % against SIGNAL_THRESHOLD_PCT {plain(settings.signal_threshold_pct)}"
            )
        change = (
            f"largest change {plain(state.largest_change)} % in {self._minutes} min "
            f"against SIGNAL_THRESHOLD_PCT {plain(settings.signal_threshold_pct)}"
        )
        volume = f"largest volume {plain(state.largest_volume)} against SIGNAL_MIN_VOLUME {plain(settings.signal_min_volume)}"
        if state.signals:
            return f"{state.signals} signals; {change}; {volume}"
        return f"no signal; {change}; {volume}"

    def is_warm(self, state: MomentumState) -> bool:
        return state.largest_change is not None

    def _remember(self, state: MomentumState, moment: Moment) -> None:
        second = moment.time // SECOND
        seconds = state.seconds
        volume = ZERO
        for trade in moment.trades:
            volume += trade.price * trade.quantity
        price = moment.trades[-1].price
        if seconds and seconds[-1].second == second:
            seconds[-1].price = price
            seconds[-1].quote_volume += volume
        else:
            seconds.append(SecondOfTrades(second, price, volume))
        if state.first_second is None:
            state.first_second = second
        state.newest_second = second
        state.quote_volume += volume
        while seconds[0].second < second - self._lookback:
            state.reference = seconds[0].price
            state.quote_volume -= seconds[0].quote_volume
            del seconds[0]

    def _side(self, state: MomentumState, change: Decimal) -> Side | None:
        if state.quote_volume < self.settings.signal_min_volume:
            return None
        threshold = self.settings.signal_threshold_pct
        if change >= threshold:
            return Side.BUY
        return Side.SELL if change <= -threshold else None

    def _idea(self, state: MomentumState, *, side: Side, change: Decimal, price: Decimal, reference: Decimal) -> Idea:
        settings = self.settings
        return Idea(
            side=side,
            strength=quotient(abs(change), settings.signal_threshold_pct),
            confidence=min(quotient(abs(change), TEN), ONE),
            price=price,
            reason=(
                f"price changed {plain(change)} % in {self._minutes} min, "
                f"threshold {plain(settings.signal_threshold_pct)} %"
            ),
            indicators={"change_pct": change, "quote_volume": state.quote_volume, "reference_price": reference},
        )


def _largest_change(seconds: list[SecondOfTrades]) -> Decimal:
    """Per cent against the first of them, signed."""
    first = seconds[0].price
    return max((quotient((one.price - first) * HUNDRED, first) for one in seconds), key=abs)

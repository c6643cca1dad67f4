"""
What share of equity a strategy may use: by the market's regime, and by what the strategy has earned.

A regime counts once it has held for `ALLOCATION_STABLE_SEC`. Until a symbol's first confirmed regime `ALLOCATION_WARMUP`
stands in for UNKNOWN's share. The score is an exponential average of the returns of closed trades (fractions of what was
paid, net of fees), rounded half to even at 12 places, and used from `ALLOCATION_TRADES_MIN` trades over
`ALLOCATION_DAYS_MIN` days on: at zero or below the strategy gets nothing. A share that drops to zero stays there for
`ALLOCATION_COOLDOWN_HOURS`; after a score's drop the score begins anew, or nothing could ever prove it wrong.

Times in microseconds. Shares limit entries alone; exits never ask for one.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain.money import ONE, ZERO, amount
from streams.domain.records import RegimeName
from streams.domain.risk_settings import AllocationSettings

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR

# More would say little about today, and all of them stand in every snapshot.
RETURNS_MAX = 100


class RegimeWatch(msgspec.Struct, kw_only=True):
    """One symbol's regime: the one that counts (None before the first), and the one that may become it."""

    regime: RegimeName | None = None
    candidate: RegimeName = RegimeName.UNKNOWN
    confirm_at: int | None = None
    zero_until: int | None = None

    @property
    def due(self) -> int | None:
        """When something changes by itself."""
        times = [time for time in (self.confirm_at, self.zero_until) if time is not None]
        return min(times, default=None)


class TrackRecord(msgspec.Struct, kw_only=True):
    """What one strategy has earned in one account. `score` and what it counts begin anew after a cool-down."""

    score: Decimal | None = None
    trades: int = 0
    first_at: int = 0
    cooldown_until: int | None = None
    returns: list[Decimal] = []  # of the newest closed trades, oldest first
    losses_in_a_row: int = 0
    lost_at: int = 0


class Share(NamedTuple):
    """A fraction of equity, the regime it was decided for, and why, in words."""

    fraction: Decimal
    regime: RegimeName
    reason: str
    cooldown_until: int | None = None
    by_score: bool = False


def share_of(watch: RegimeWatch | None, record: TrackRecord | None, settings: AllocationSettings) -> Share:
    """What the strategy with this `record` may use in the market of this `watch`; None where nothing is known yet."""
    regime = None if watch is None else watch.regime
    named = RegimeName.UNKNOWN if regime is None else regime
    if record is not None and record.cooldown_until is not None:
        return Share(ZERO, named, "score not above zero: cooling down", record.cooldown_until, by_score=True)
    if watch is None or regime is None:
        return Share(settings.allocation_warmup, named, "warm-up: no regime confirmed yet")
    if watch.zero_until is not None:
        return Share(ZERO, regime, f"regime {regime.value}, share dropped to zero: cooling down", watch.zero_until)
    return Share(settings.allocation_of(regime), regime, f"regime {regime.value}")


def on_regime(watch: RegimeWatch, regime: RegimeName, time: int, settings: AllocationSettings) -> None:
    """Takes in what the market's regime is from `time` on."""
    if regime is watch.candidate and watch.confirm_at is not None:
        return
    watch.candidate = regime
    # Nothing known is not a first regime: the warm-up goes on.
    settled = regime is (RegimeName.UNKNOWN if watch.regime is None else watch.regime)
    watch.confirm_at = None if settled else time + settings.allocation_stable_sec * SECOND


def on_due(watch: RegimeWatch, time: int, settings: AllocationSettings) -> None:
    """What `due` stands for: a regime that has held long enough, or the end of a cool-down."""
    if watch.zero_until == time:
        watch.zero_until = None
    if watch.confirm_at == time:
        before = share_of(watch, None, settings).fraction
        watch.regime, watch.confirm_at = watch.candidate, None
        if before > 0 and not settings.allocation_of(watch.regime):
            watch.zero_until = time + settings.allocation_cooldown_hours * HOUR


def on_closed_trade(record: TrackRecord, earned: Decimal, time: int, settings: AllocationSettings) -> bool:
    """Takes in the return of a trade that closed at `time`; whether the strategy's share drops to zero for it."""
    weight = settings.allocation_score_weight
    record.score = earned if record.score is None else amount(weight * earned + (ONE - weight) * record.score)
    record.first_at = record.first_at if record.trades else time
    record.trades += 1
    record.returns = [*record.returns[-(RETURNS_MAX - 1) :], earned]
    record.losses_in_a_row = record.losses_in_a_row + 1 if earned < 0 else 0
    record.lost_at = time if earned < 0 else record.lost_at
    if not is_scored(record, time, settings) or record.score > 0 or record.cooldown_until is not None:
        return False
    record.cooldown_until = time + settings.allocation_cooldown_hours * HOUR
    return True


def is_scored(record: TrackRecord, time: int, settings: AllocationSettings) -> bool:
    """Whether there are trades enough, over days enough, to use the score."""
    long_enough = time - record.first_at >= settings.allocation_days_min * DAY
    return record.trades >= settings.allocation_trades_min and long_enough


def on_cooldown_over(record: TrackRecord) -> None:
    """The strategy begins anew; what it returned stays known for sizing."""
    record.cooldown_until, record.score, record.trades = None, None, 0

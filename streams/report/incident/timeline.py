"""
What happened in a part of a session, in the order of time: a line for each moment, what repeats itself counted in one.

Each moment has a lane (what kind of thing happened) and a tone (how bad that is). Signals and refusals of one strategy and symbol that
say the same again and again are one moment with a count and its last time. Times are µs of logical time; a command stands where risk
took it.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

from streams.domain.records import Alert, Command, DeadLetter, MarketData, Order, OrderResult, PortfolioSnapshot, RiskMode, Signal
from streams.replay.questions.wording import words_of

# From the market to what it led to, as they are drawn from top to bottom.
LANES = ("market", "commands", "signals", "refused", "orders", "fills", "risk modes", "alerts", "dead letters")
BAD, WARN, PLAIN = "bad", "warn", ""
_MODES = {RiskMode.REDUCE_ONLY: WARN, RiskMode.HALT_ALL: BAD}
_LEVELS = {"CRITICAL": BAD, "WARNING": WARN}

Item = TypeVar("Item")


class Moment(NamedTuple):
    """One line; `times` of the same from `time` to `until`. `about`: account, strategy and symbol, as far as it has them."""

    time: int
    lane: str
    tone: str
    about: str
    words: str
    event_id: str
    times: int
    until: int


class Timeline:
    """Gathers moments; what is put in must come in the order of time within its lane."""

    def __init__(self) -> None:
        self._moments: list[Moment] = []
        self._last: dict[tuple[str, str], tuple[str, int]] = {}

    def ordered(self) -> list[Moment]:
        """Every moment in the order of time."""
        return sorted(self._moments, key=lambda one: (one.time, LANES.index(one.lane)))

    def market(self, record: MarketData) -> None:
        """Only what is wrong with it."""
        faults = [name for name, holds in (
            ("gap: something before it is missing", record.gap), ("the feed is down", record.feed_down),
            ("its time is not believed", record.time_suspect),
        ) if holds]  # fmt: skip
        if faults:
            self._counted("market", WARN, record.symbol, ", ".join(faults), record.event_id, record.time)

    def signal(self, record: Signal) -> None:
        about = f"{record.account} {record.strategy} {record.symbol}"
        self._counted("signals", PLAIN, about, f"{record.side}: {record.reason}", record.event_id, record.time, same=record.side)

    def order(self, record: Order) -> None:
        about = f"{record.account} {record.strategy} {record.symbol}"
        if record.approved:
            self._put("orders", PLAIN, about, words_of(record), record.event_id, record.time)
            return
        self._counted("refused", WARN, about, words_of(record), record.event_id, record.time, same=record.rejection_code or "")

    def result(self, record: OrderResult) -> None:
        lane, reason = "fills" if record.quantity else "orders", f" ({record.reason})" if record.reason else ""
        about = f"{record.account} {record.strategy} {record.symbol}"
        self._put(lane, PLAIN, about, f"{words_of(record)}{reason}", record.event_id, record.time)

    def alert(self, record: Alert) -> None:
        about = " ".join(one for one in (record.account, record.symbol) if one)
        self._put("alerts", _LEVELS.get(record.level.value, PLAIN), about, f"{record.code}: {record.message}", record.event_id, record.time)

    def modes(self, snapshots: Iterable[PortfolioSnapshot]) -> None:
        """The changes of one account's mode, as its snapshots saw them."""
        for before, after in pairwise(snapshots):
            if after.risk_mode is not before.risk_mode:
                words = f"{after.risk_mode.value}, was {before.risk_mode.value}"
                self._put("risk modes", _MODES.get(after.risk_mode, PLAIN), after.account, words, after.event_id, after.time)

    def command(self, record: Command, taken: int) -> None:
        """`taken`: when the first risk task took it, µs."""
        about = " ".join(one for one in (record.account, record.symbol) if one)
        words = f"{record.kind.value} by {record.operator}: {record.justification}"
        self._put("commands", WARN, about, words, record.event_id, taken)

    def letter(self, record: DeadLetter) -> None:
        origin = f"{record.source_topic}/{record.source_partition}@{record.source_offset}"
        self._counted("dead letters", WARN, origin, f"{record.rule}: {record.cause}", record.event_id, record.time)

    def _put(self, lane: str, tone: str, about: str, words: str, event_id: str, time: int) -> None:
        self._moments.append(Moment(time, lane, tone, about, words, event_id, 1, time))

    def _counted(self, lane: str, tone: str, about: str, words: str, event_id: str, time: int, same: str | None = None) -> None:
        """One more of the last moment of this lane and subject, where that said the `same` (the words, if nothing else)."""
        same = words if same is None else same
        said, place = self._last.get((lane, about), ("", -1))
        if place >= 0 and said == same:
            found = self._moments[place]
            self._moments[place] = found._replace(times=found.times + 1, until=time)
            return
        self._last[lane, about] = (same, len(self._moments))
        self._put(lane, tone, about, words, event_id, time)


def shortened(moments: Sequence[Moment], count_max: int) -> list[Moment]:
    """At most `count_max` of them, in their order: of all tones what is bad first, then what warns; what is left evenly chosen."""
    kept: set[int] = set()
    for tone in (BAD, WARN, PLAIN):
        own = [place for place, one in enumerate(moments) if one.tone == tone]
        kept.update(even(own, count_max - len(kept)))
    return [moments[place] for place in sorted(kept)]


def even(items: Sequence[Item], count_max: int) -> Sequence[Item]:
    """All of them, or at most so many, evenly chosen."""
    if count_max <= 0:
        return []
    return items[:: -(-len(items) // count_max)] if len(items) > count_max else items

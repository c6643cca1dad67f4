"""
When a push goes out and when a flush is cut: at the recording's own pace, ten times that, or as fast as the log takes
it.

Nothing here shows in any record. A push is due when the receive clock of its source reaches its receive time: the wall
clock for a live feed, else a clock that began with the first push and runs `speed` times as fast. History is always due. While a push is
waited for, a flush is cut every 100 ms with the quiet watermark of that clock, 20 ms after a push at the latest;
without a pace the writer cuts by count.
"""

from collections.abc import Iterable
from typing import NamedTuple

from streams.domain.vocabulary import HISTORY
from streams.errors import ConfigError, FeedError
from streams.exchange.push import Quiet, Told
from streams.exchange.wall import Wall
from streams.exchange.writer import FeedWriter

FLUSH_SECONDS_MIN = 0.020
FLUSH_SECONDS_MAX = 0.100
SPEED_MAX = 1000
MICROSECONDS = 1_000_000


class Outcome(NamedTuple):
    """How a run came to its end: the source's own end, with its error where there was one, or told to stop."""

    ended: bool
    error: FeedError | None = None


def speed_of(text: str) -> int | None:
    """Times real time, or None for as fast as possible. Raises: ConfigError for anything but 1x..1000x and max."""
    if text == "max":
        return None
    number = text.removesuffix("x")
    if text.endswith("x") and number.isdecimal() and 1 <= int(number) <= SPEED_MAX:
        return int(number)
    raise ConfigError(f"SPEED must be max or 1x..{SPEED_MAX}x, was {text!r}")


class Pace:
    """The source's receive clock against the wall. `live`: it is the wall clock."""

    def __init__(self, wall: Wall, *, speed: int, live: bool) -> None:
        self._wall = wall
        self._speed = speed
        self._live = live
        self._began: tuple[float, int] | None = None

    def receive_clock(self, first: int) -> int:
        """What the source's receive clock shows now, µs; `first` where it has not begun."""
        if self._live:
            return self._wall.now()
        if self._began is None:
            self._began = (self._wall.monotonic(), first)
        at, receive_time = self._began
        return receive_time + int((self._wall.monotonic() - at) * self._speed * MICROSECONDS)

    def seconds_until(self, receive_time: int) -> float:
        """Wall seconds until a push is due; negative when it is late."""
        return (receive_time - self.receive_clock(receive_time)) / MICROSECONDS / self._speed


class Runner:
    """Takes pushes to the writer until they end, or the wall says to stop."""

    def __init__(self, writer: FeedWriter, wall: Wall, pace: Pace | None) -> None:
        self._writer = writer
        self._wall = wall
        self._pace = pace
        self.flushed_at = wall.monotonic()
        self._flushes = 0

    def run(self, pushes: Iterable[Told | Quiet]) -> Outcome:
        """
        A source that fails ends the session as one that ends: what came before is on the log, then the tail. One that is told
        to stop leaves it open.

        Raises: LogError, Fenced as the log.
        """
        try:
            for push in pushes:
                if isinstance(push, Quiet):
                    if self._wall.wait(0):
                        self._writer.flush()
                        return Outcome(ended=False)
                    self._flush_quiet(push)
                    continue
                if not self._wait_for(push):
                    self._writer.flush()
                    return Outcome(ended=False)
                self._writer.put(push)
                self._flush_where_due()
        except FeedError as error:
            self._writer.finish(str(error))
            return Outcome(ended=True, error=error)
        self._writer.finish()
        return Outcome(ended=True)

    def _wait_for(self, push: Told) -> bool:
        """False when told to stop. Promises never pass the push that is waited for."""
        if self._pace is None or push.exchange == HISTORY:
            return not self._wall.wait(0)
        while True:
            due_in = self._pace.seconds_until(push.receive_time)
            if due_in <= 0:
                return not self._wall.wait(0)
            flush_in = (FLUSH_SECONDS_MIN if self._writer.pending else FLUSH_SECONDS_MAX) - self._flush_age()
            if flush_in <= 0:
                self._writer.quiet(min(self._pace.receive_clock(push.receive_time), push.receive_time))
                self._note_flush()
            elif self._wall.wait(min(due_in, flush_in)):
                return False

    def _flush_quiet(self, quiet: Quiet) -> None:
        if self._flush_age() >= (FLUSH_SECONDS_MIN if self._writer.pending else FLUSH_SECONDS_MAX):
            self._writer.quiet(quiet.receive_time)
            self._note_flush()

    def _flush_where_due(self) -> None:
        if self._pace is not None and self._flush_age() >= FLUSH_SECONDS_MIN:
            self._writer.flush()
        if self._writer.counters.flushes != self._flushes:
            self._note_flush()

    def _flush_age(self) -> float:
        return self._wall.monotonic() - self.flushed_at

    def _note_flush(self) -> None:
        self._flushes = self._writer.counters.flushes
        self.flushed_at = self._wall.monotonic()

"""
The feed's logical clock: gives every push a time, strictly increasing over everything the feed writes. Pure; times in
µs.

The candidate is the exchange's event time. Where a push has none it is receive time − offset, where the offset of a
venue is the running minimum of receive − event: the fastest transfer seen, clocks' difference included (it is negative
where the exchange's clock runs ahead of ours). A candidate that is not after the last time becomes last + 1: order of
arrival wins over event time.

**One bad timestamp moves neither the clock nor the offset.** An event time more than `ahead_max` beyond receive −
offset is not believed: the push is flagged and gets receive − offset. To have an offset at all, two event times in a
row must agree within `ahead_max`; until then it counts as 0, so the first push alone can set nothing. A time far behind
the last is only last + 1, and never a minimum. What this leaves out: a venue whose clock jumps ahead for good stays
flagged until the feed is started anew.

A quiet watermark promises receive clock − offset − `quiet_delay` (of several venues the earliest). Each push first lets
the watermark of its own receive time pass, so how many watermarks a host wrote in between, live or not, does not show
in any time. The receive clock is our own and trusted.
"""

from typing import NamedTuple

import msgspec

# Before every time; nothing is promised yet.
BEFORE_TIME = -1


class VenueOffset(msgspec.Struct):
    """Receive − event of one venue, µs. `tentative`: the last event time's, while no two have agreed."""

    offset: int | None = None
    tentative: int | None = None


class ClockState(msgspec.Struct):
    """All that the clock remembers; goes into the journal with each flush."""

    last: int = BEFORE_TIME  # the last time given or promised
    venues: dict[str, VenueOffset] = msgspec.field(default_factory=dict)


class Stamp(NamedTuple):
    """A push's logical time, and whether its event time was not believed."""

    time: int
    suspect: bool


class LogicalClock:
    """Stamps pushes and makes promises, from `state` on; `state` is the clock's own from then."""

    def __init__(self, *, ahead_max: int, quiet_delay: int, state: ClockState | None = None) -> None:
        self.ahead_max = ahead_max
        self.quiet_delay = quiet_delay
        self.state = state or ClockState()

    def stamp(self, venue: str, *, event_time: int | None, receive_time: int) -> Stamp:
        """The time of the next push."""
        state = self.state
        known = state.venues.get(venue)
        if known is None:
            known = state.venues[venue] = VenueOffset()
        self.promise_quiet(receive_time)
        believed = receive_time - (known.offset or 0)
        suspect = False
        if event_time is not None:
            suspect = event_time > believed + self.ahead_max
            self._learn(known, receive_time - event_time, suspect=suspect)
        time = believed if event_time is None or suspect else event_time
        if time <= state.last:
            time = state.last + 1
        state.last = time
        return Stamp(time, suspect)

    def recall(self, time: int) -> Stamp:
        """The time of something told as history: its own, or just after the last. It says nothing about any venue's clock."""
        self.state.last = max(time, self.state.last + 1)
        return Stamp(self.state.last, suspect=False)

    def _learn(self, known: VenueOffset, difference: int, *, suspect: bool) -> None:
        if known.offset is not None:
            if not suspect and difference < known.offset:
                known.offset = difference
        elif known.tentative is not None and abs(difference - known.tentative) <= self.ahead_max:
            known.offset = min(difference, known.tentative)
            known.tentative = None
        else:
            known.tentative = difference

    def quiet_watermark(self, now: int) -> int:
        """What can be promised at `now` of the receive clock though nothing arrives; may be below the last time."""
        offset = max((known.offset or 0 for known in self.state.venues.values()), default=0)
        return now - offset - self.quiet_delay

    def promise_quiet(self, now: int) -> int:
        """Lets time pass to the quiet watermark of `now`; returns the promise: nothing later gets a time up to it."""
        if self.state.venues and self.state.last > BEFORE_TIME:
            # A clock that has stamped nothing has no offset to go by, and may not run ahead of the first push.
            self.state.last = max(self.state.last, self.quiet_watermark(now))
        return self.state.last

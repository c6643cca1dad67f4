"""The logical clock: worked examples on one venue with a steady offset, and what must hold for any input."""

from hypothesis import given
from hypothesis import strategies as st

from streams.exchange.clock import ClockState, LogicalClock, VenueOffset
from streams.stages.state import decode_state, encode_state
from tests.exchange.sessions import T0

SECOND = 1_000_000
HOUR = 3600 * SECOND
AHEAD_MAX = 2 * SECOND
QUIET = 250_000


def make_clock(state: ClockState | None = None) -> LogicalClock:
    return LogicalClock(ahead_max=AHEAD_MAX, quiet_delay=QUIET, state=state)


def stamped(clock: LogicalClock, *pushes: tuple[int | None, int], venue: str = "v") -> list[tuple[int, bool]]:
    """(event, receive) in; (time, suspect) out, all relative to T0."""
    stamps = [
        clock.stamp(venue, event_time=None if event is None else T0 + event, receive_time=T0 + receive)
        for event, receive in pushes
    ]
    return [(stamp.time - T0, stamp.suspect) for stamp in stamps]


def test_event_time_is_the_time():
    assert stamped(make_clock(), (0, 100), (500, 600), (900, 1000)) == [(0, False), (500, False), (900, False)]


def test_push_without_event_time_gets_receive_time_less_the_smallest_difference_seen():
    # Differences 300, 100, 400: the fastest transfer took 100.
    assert stamped(make_clock(), (0, 300), (500, 600), (900, 1300), (None, 1500))[-1] == (1400, False)


def test_offset_is_negative_where_the_exchanges_clock_is_ahead():
    assert stamped(make_clock(), (1270, 0), (1370, 100), (None, 200))[-1] == (1470, False)


def test_time_going_backwards_and_equal_times_become_the_last_plus_one():
    assert [time for time, _ in stamped(make_clock(), (1000, 1100), (1000, 1200), (400, 1300), (1003, 1400))] == [
        1000, 1001, 1002, 1003
    ]  # fmt: skip


def test_push_an_hour_ahead_is_flagged_and_gets_receive_time_less_offset():
    times = stamped(make_clock(), (0, 100), (1000, 1100), (HOUR, 2100), (3000, 3100))
    assert times == [(0, False), (1000, False), (2000, True), (3000, False)]


def test_push_an_hour_ahead_at_the_very_start_sets_nothing():
    times = stamped(make_clock(), (HOUR, 100), (1000, 1100), (2000, 2100), (None, 3100))
    assert times == [(100, True), (1000, False), (2000, False), (3000, False)]


def test_push_an_hour_behind_at_the_very_start_sets_no_offset():
    times = stamped(make_clock(), (-HOUR, 100), (1000, 1100), (2000, 2100), (None, 3100))
    assert times[1:] == [(1000, False), (2000, False), (3000, False)]


def test_candidate_just_within_the_bound_is_believed_and_just_beyond_it_is_not():
    base = [(0, 0), (0, 0)]
    assert stamped(make_clock(), *base, (AHEAD_MAX + 100, 100))[-1] == (AHEAD_MAX + 100, False)
    assert stamped(make_clock(), *base, (AHEAD_MAX + 101, 100))[-1] == (100, True)


def test_receive_clock_that_is_far_off_is_learnt_from_two_pushes_that_agree():
    far = 30 * SECOND
    times = stamped(make_clock(), (far, 0), (far + 100, 100), (far + 200, 200), (None, 300))
    assert times == [(0, True), (100, True), (far + 200, False), (far + 300, False)]


def test_quiet_watermark_stays_the_delay_behind_the_receive_clock():
    clock = make_clock()
    stamped(clock, (0, 100), (1000, 1100))
    assert clock.promise_quiet(T0 + 100 + QUIET + 5000) == T0 + 5000
    assert stamped(clock, (4000, 400_000))[0][0] > 5000


def test_quiet_watermark_goes_by_the_venue_that_is_furthest_behind():
    clock = make_clock()
    stamped(clock, (0, 100), (1000, 1100), venue="fast")
    stamped(clock, (1001, 9001), (1002, 9002), venue="slow")
    assert clock.quiet_watermark(T0 + QUIET + 10_000) == T0 + 2000


def test_clock_that_has_stamped_nothing_promises_nothing():
    assert make_clock().promise_quiet(T0) == -1


arrivals = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.none() | st.integers(0, 4 * T0),
        st.integers(0, 4 * T0),
    ),
    max_size=40,
)  # fmt: skip


@given(arrivals, st.integers(0, 40))
def test_times_rise_strictly_under_any_input_and_after_any_restart(pushes, restart_at):
    clock = make_clock()
    last = -1
    for number, (venue, event_time, receive_time) in enumerate(pushes):
        if number == restart_at:
            clock = make_clock(decode_state(encode_state(clock.state), ClockState))
        stamp = clock.stamp(venue, event_time=event_time, receive_time=receive_time)
        assert stamp.time > last
        last = stamp.time


@st.composite
def steady_streams(draw: st.DrawFn) -> list[tuple[int | None, int]]:
    """
    A venue's pushes as they come: receive times rise, event times differ from them by an offset within bounds and
    jitter.
    """
    offset = draw(st.integers(-1_500_000, 1_500_000))
    pushes: list[tuple[int | None, int]] = []
    receive = 10 * SECOND
    arrival = st.tuples(st.integers(1_000, 3 * SECOND), st.integers(0, 200_000), st.booleans())
    for gap, jitter, has_event in draw(st.lists(arrival, min_size=4, max_size=30)):
        receive += gap
        pushes.append((receive - offset - jitter if has_event or len(pushes) < 2 else None, receive))
    return pushes


@given(steady_streams(), st.data())
def test_one_bad_timestamp_moves_neither_the_clock_nor_the_offset(pushes, data):
    place = data.draw(st.integers(2, len(pushes)))
    wrong = data.draw(st.integers(5 * SECOND, 24 * HOUR) | st.integers(-24 * HOUR, -5 * SECOND))
    receive = pushes[min(place, len(pushes) - 1)][1]
    good, bad = make_clock(), make_clock()
    expected = stamped(good, *pushes)
    poisoned = stamped(bad, *pushes[:place], (receive + wrong, receive), *pushes[place:])
    assert poisoned[place][1] == (wrong > 0)
    assert bad.state.venues["v"] == good.state.venues["v"]
    # The bad one takes one moment of its own: those right after it may be pushed back, by less than the jitter allows.
    others = poisoned[:place] + poisoned[place + 1 :]
    for (time, suspect), (time_alone, suspect_alone) in zip(others, expected, strict=True):
        assert suspect == suspect_alone and 0 <= time - time_alone <= 200_000 + len(pushes)


@given(steady_streams(), st.lists(st.integers(0, 100), max_size=20))
def test_watermarks_written_while_waiting_show_in_no_time(pushes, looks):
    alone = stamped(make_clock(), *pushes)
    clock = make_clock()
    watched = []
    for number, (event, receive) in enumerate(pushes):
        before = pushes[number - 1][1] if number else receive
        for look in sorted(look for index, look in enumerate(looks) if index % len(pushes) == number):
            clock.promise_quiet(T0 + before + (receive - before) * look // 100)
        watched += stamped(clock, (event, receive))
    assert watched == alone


@given(steady_streams(), st.integers(0, 60 * SECOND))
def test_nothing_later_is_at_or_below_a_promise(pushes, wait):
    clock = make_clock()
    for event, receive in pushes:
        promise = clock.promise_quiet(T0 + receive + wait)
        assert stamped(clock, (event, receive))[0][0] > promise - T0


def test_state_of_two_venues_survives_its_encoding():
    state = ClockState(last=5, venues={"a": VenueOffset(offset=-3), "b": VenueOffset(tentative=9)})
    assert decode_state(encode_state(state), ClockState) == state

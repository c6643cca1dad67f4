"""
Moments of a recorded session as people name them, and as they are shown: a time, seconds from the beginning, or a record's place.

Times are µs of logical time. A moment holds everything of its microsecond: the state at T is the state after all events up to T.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from streams.errors import ConfigError
from streams.log.interface import Message, Partition
from streams.log.journal import read_range
from streams.replay.recorded.recorded import Recorded

MICROSECONDS = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FORMS = "a UTC time (2026-01-01 12:00:00.5), µs since 1970, +SECONDS from the session's start, TOPIC/PARTITION@OFFSET, start or end"

_PLACE = re.compile(r"(?P<topic>[a-z_]+)(/(?P<number>\d+))?@(?P<offset>\d+)")
_AFTER = re.compile(r"\+\d+(\.\d{1,6})?")
_MICROSECONDS = re.compile(r"\d{1,18}")


class Span(NamedTuple):
    """The first moment of a session that its log still shows, and the last that every task has stepped; both µs."""

    start: int
    end: int


def span_of(recorded: Recorded) -> Span:
    """Raises: ConfigError where nothing has been stepped yet; LogError as the log."""
    firsts = []
    layout, log = recorded.layout, recorded.log
    for number in range(layout.count("market_data")):
        place = layout.at("market_data", number)
        first = next((message for message in _from(recorded, place, log.start_offset(place)) if message.value is not None), None)
        if first is not None:
            assert first.value is not None
            firsts.append(recorded.codec.decode(first.value, layout.record_of("market_data")).time)
    end = recorded.end()
    return Span(min(firsts, default=end), end)


def moment_of(text: str, recorded: Recorded, span: Span, *, name: str) -> int:
    """
    The moment that `text` names, within the session's span.

    Raises: ConfigError naming the option `name` for anything else.
    """
    words = text.strip()
    placed = _PLACE.fullmatch(words)
    if placed is not None:
        time = _time_at(recorded, placed["topic"], int(placed["number"] or 0), int(placed["offset"]), name)
    elif words in ("start", "end"):
        time = span.start if words == "start" else span.end
    elif _AFTER.fullmatch(words):
        time = span.start + int(Decimal(words[1:]) * MICROSECONDS)
    elif _MICROSECONDS.fullmatch(words):
        time = int(words)
    else:
        time = _utc(words, name)
    if not span.start <= time <= span.end:
        raise ConfigError(
            f"{name} must be {shown(span.start)} to {shown(span.end)}, what session {recorded.settings.session} holds, was {shown(time)}"
        )
    return time


def shown(time: int) -> str:
    """A moment for people: UTC with microseconds."""
    return (EPOCH + timedelta(microseconds=time)).strftime("%Y-%m-%d %H:%M:%S.%f")


def _utc(text: str, name: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{name} must be {FORMS}, was {text!r}") from None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    return (found - EPOCH) // timedelta(microseconds=1)


def _time_at(recorded: Recorded, topic: str, number: int, offset: int, name: str) -> int:
    """When the record at or after an offset stands in time; what carries no value (a watermark) is passed over."""
    layout = recorded.layout
    full = layout.full(topic)
    counts = recorded.log.topics()
    if full not in counts:
        known = ", ".join(sorted(one.removeprefix(f"{layout.session}.") for one in counts if one.startswith(f"{layout.session}.")))
        raise ConfigError(f"{name} must name a topic of the session ({known}), was {topic}")
    if number >= counts[full]:
        raise ConfigError(f"{name} must name a partition 0..{counts[full] - 1} of {topic}, was {number}")
    place = Partition(full, number)
    first, end = recorded.log.start_offset(place), recorded.log.end_offset(place)
    if not first <= offset < end:
        raise ConfigError(f"{name} must name an offset {first}..{end - 1} of {topic}/{number}, was {offset}")
    for message in _from(recorded, place, offset):
        if message.value is not None:
            return recorded.codec.decode(message.value, layout.record_of(topic)).time
    raise ConfigError(f"{name} must name an offset with a record at or after it, was {topic}/{number}@{offset}, after the last one")


def _from(recorded: Recorded, place: Partition, offset: int) -> Iterator[Message]:
    return read_range(recorded.log, place, offset, recorded.log.end_offset(place))

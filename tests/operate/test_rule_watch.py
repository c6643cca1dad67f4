"""What no stage takes is held against the same rules: a dead letter each, once, whoever watches and whoever dies meanwhile."""

from decimal import Decimal as D
from typing import Any

import pytest

import schemas
from streams.domain import records as r
from streams.domain.parameters import SessionSettings
from streams.domain.rules import broken_rule
from streams.errors import LogError
from streams.log.codec import Codec
from streams.log.interface import Partition
from streams.log.journal import read_range
from streams.log.memory import MemoryLog, MemoryWriter
from streams.operate import rule_watch
from streams.operate.rule_watch import HELD_ELSEWHERE, RuleWatch, watched_topics
from streams.operate.runtime import STAGES
from streams.operate.topics import create_session
from tests.contract.samples import NOON, sample

CODEC = Codec.offline()
SETTINGS = SessionSettings(session="monday", partitions=2, risk_tasks=2)

# By topic: what breaks a record of it, and the rule that says so.
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "candles": ({"low": D(0)}, "low_open_close_high_in_order"),
    "ledger_entries": ({"asset": "US\0DT"}, "text_without_nul"),
    "allocations": ({"fraction": D("1.1")}, "fraction_is_fraction"),
    "positions": ({"leverage": D(-1)}, "margin_and_leverage_not_negative"),
    "portfolio_snapshots": ({"exposure": D(-1)}, "sums_not_negative"),
    "alerts": ({"time": -1}, "time_from_1970_to_9999"),
    "journal": ({"sequence": -1}, "numbers_not_negative"),
    "dead_letters": ({"source_offset": -1}, "source_place_not_negative"),
    "session": ({"event_id": ""}, "session_is_named"),
}


@pytest.fixture
def log() -> MemoryLog:
    made = MemoryLog()
    create_session(made, "monday", feeds=2, risk=2)
    return made


def put(log: MemoryLog, topic: str, value: bytes | None, number: int = 0) -> None:
    writer = log.writer("stranger")
    writer.begin()
    writer.append(Partition(f"monday.{topic}", number), key=b"k", value=value, time=NOON)
    writer.commit()


def broken(topic: str) -> bytes:
    changes, _ = BROKEN[topic]
    return CODEC.wire(sample(r.RECORDS[schemas.catalogue()[topic].record], **changes))


def letters(log: MemoryLog) -> list[r.DeadLetter]:
    place = Partition("monday.dead_letters", 0)
    values = [one.value for one in read_range(log, place, 0, log.end_offset(place)) if one.value and one.value[:1] == b"\0"]
    found = [CODEC.decode(value, r.DeadLetter) for value in values]
    return [one for one in found if isinstance(one, r.DeadLetter) and one.event_id.startswith("monday/rules/")]


def settled(watch: RuleWatch) -> int:
    """Letters until two turns in a row bring none: the first after a loss only begins anew."""
    total, quiet = 0, 0
    while quiet < 2:
        written = watch.turn()
        total, quiet = total + written, 0 if written else quiet + 1
    return total


def test_every_topic_is_held_against_the_rules_by_a_stage_or_here() -> None:
    taken = {source.topic for stage in STAGES.values() for source in stage(SETTINGS, 0).inputs}
    assert taken | set(watched_topics()) | HELD_ELSEWHERE == set(schemas.catalogue())
    assert not taken & set(watched_topics())
    assert set(BROKEN) == set(watched_topics())


@pytest.mark.parametrize("topic", BROKEN)
def test_record_that_breaks_a_rule_is_a_letter_with_the_rules_name_and_its_bytes(log: MemoryLog, topic: str) -> None:
    ordinary = CODEC.wire(sample(r.RECORDS[schemas.catalogue()[topic].record]))
    for value in (ordinary, None, broken(topic), b"\xffno record", ordinary):
        put(log, topic, value)
    assert settled(RuleWatch(log, CODEC, SETTINGS)) == 1
    [letter] = letters(log)
    assert (letter.source_topic, letter.source_partition, letter.rule) == (topic, 0, BROKEN[topic][1])
    # The stranger's transactions take an offset each for their end.
    assert (letter.source_offset, letter.payload, letter.time) == (4, broken(topic), NOON)
    assert broken_rule(letter) is None and f"breaks the rule {letter.rule}" in letter.cause


def test_next_watch_goes_on_where_the_first_was_and_repeats_no_letter(log: MemoryLog) -> None:
    first, second = RuleWatch(log, CODEC, SETTINGS), RuleWatch(log, CODEC, SETTINGS)
    assert settled(first) == settled(second) == 0
    for number in range(6):
        put(log, "positions", broken("positions"), number % 2)
        assert sum(settled(watch) for watch in ((first, second) if number % 3 else (second, first))) == 1
    assert settled(RuleWatch(log, CODEC, SETTINGS)) == 0
    assert len({letter.event_id for letter in letters(log)}) == len(letters(log)) == 6


class AwayOnce(MemoryLog):
    """A log whose letters cannot be committed once."""

    fails = False

    def writer(self, name: str) -> MemoryWriter:
        if self.fails and name == "monday-rules":
            self.fails = False
            raise LogError("the broker is away")
        return super().writer(name)


def test_letters_that_could_not_be_written_are_written_later() -> None:
    log = AwayOnce()
    create_session(log, "monday", feeds=2, risk=2)
    put(log, "alerts", broken("alerts"))
    watch = RuleWatch(log, CODEC, SETTINGS)
    log.fails = True
    with pytest.raises(LogError):
        settled(watch)
    assert settled(watch) == 1 and len(letters(log)) == 1


def test_positions_are_kept_from_time_to_time_also_where_nothing_is_broken(log: MemoryLog) -> None:
    count = rule_watch.KEPT_EVERY
    writer = log.writer("risk")
    writer.begin()
    value = CODEC.wire(sample(r.Alert))
    for _ in range(count):
        writer.append(Partition("monday.alerts", 0), key=b"k", value=value, time=NOON)
    writer.commit()
    watch = RuleWatch(log, CODEC, SETTINGS)
    for _ in range(count // rule_watch.READ_MAX + 1):
        assert watch.turn() == 0
    assert (log.committed("monday-rules", Partition("monday.alerts", 0)) or 0) >= count

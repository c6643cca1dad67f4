"""What Connect could not decode reaches its session's dead letters exactly once, whoever moves it and whoever dies meanwhile."""

import pytest

from streams.domain.records import Alert, DeadLetter
from streams.domain.rules import broken_rule
from streams.log.codec import Codec
from streams.log.interface import Headers, Partition
from streams.log.journal import read_range
from streams.log.memory import MemoryLog, MemoryWriter
from streams.operate import dead_letters
from streams.operate.dead_letters import CONNECT_TOPIC, GROUP, SOURCE, ConnectDeadLetters
from streams.operate.topics import create_session
from tests.contract.samples import sample

CODEC = Codec.offline()
NOON = 1_700_000_000_000_000


class BrokenOff(Exception):
    """The process ends here."""


class DyingLog(MemoryLog):
    """A log whose writer of the letters dies between the letters and the commit, once."""

    def __init__(self) -> None:
        super().__init__()
        self.dies = False

    def writer(self, name: str) -> MemoryWriter:
        writer = super().writer(name)
        if name == GROUP and self.dies:
            self.dies = False
            return Dying(writer)  # type: ignore[return-value]
        return writer


class Dying:
    """Passes everything on until the commit; nobody closes the transaction it leaves behind."""

    def __init__(self, writer: MemoryWriter) -> None:
        self.begin, self.append, self.offsets = writer.begin, writer.append, writer.offsets

    def commit(self) -> None:
        raise BrokenOff

    def close(self) -> None:
        return


@pytest.fixture
def log() -> DyingLog:
    made = DyingLog()
    made.create({CONNECT_TOPIC: 1})
    for session in ("monday", "tues.day"):
        create_session(made, session, feeds=1, risk=1)
    return made


def put_aside(
    log: MemoryLog, topic: str, offset: int, value: bytes | None = b"\xff", cause: str = "Unknown magic byte",
    stage: str = "VALUE_CONVERTER",
) -> None:
    """As Connect does it, with its headers."""
    headers: Headers = (
        ("__connect.errors.topic", topic.encode()), ("__connect.errors.partition", b"0"),
        ("__connect.errors.offset", str(offset).encode()), ("__connect.errors.exception.message", cause.encode()),
        ("__connect.errors.stage", stage.encode()),
    )  # fmt: skip
    writer = log.writer("connect")
    writer.begin()
    writer.append(SOURCE, key=b"k", value=value, headers=headers, time=NOON)
    writer.commit()


def letters(log: MemoryLog, session: str = "monday") -> list[DeadLetter]:
    place = Partition(f"{session}.dead_letters", 0)
    found = []
    for message in read_range(log, place, 0, log.end_offset(place)):
        record = CODEC.decode(message.value or b"", DeadLetter)
        assert isinstance(record, DeadLetter)
        found.append(record)
    return found


def offsets(log: MemoryLog, session: str = "monday") -> list[int]:
    return [one.source_offset for one in letters(log, session)]


def test_letter_says_where_the_bytes_stood_and_why_they_were_refused(log: DyingLog) -> None:
    put_aside(log, "monday.candles", 4, b"\x00\xffgarbage", "cause with a NUL \x00")
    assert ConnectDeadLetters(log, CODEC).turn() == 1
    [letter] = letters(log)
    assert (letter.source_topic, letter.source_partition, letter.source_offset) == ("candles", 0, 4)
    assert (letter.rule, letter.cause, letter.payload) == ("sink_decodable", "cause with a NUL \\0", b"\x00\xffgarbage")
    assert letter.event_id == "monday/connect/candles/0/4" and letter.time == NOON
    assert broken_rule(letter) is None


def test_record_that_its_table_cannot_hold_and_nobody_here_can_read_is_the_sinks_word(log: DyingLog) -> None:
    put_aside(log, "monday.alerts", 4, cause="alerts.message must hold no NUL, had one at character 2", stage="TRANSFORMATION")
    assert ConnectDeadLetters(log, CODEC).turn() == 1
    [letter] = letters(log)
    assert (letter.rule, letter.cause) == ("sink_storable", "alerts.message must hold no NUL, had one at character 2")


def test_record_that_its_table_cannot_hold_names_the_rule_of_the_one_list(log: DyingLog) -> None:
    value = CODEC.wire(sample(Alert, message="a NUL \0"))
    put_aside(log, "monday.alerts", 4, value, cause="alerts.message must hold no NUL, had one at character 7", stage="TRANSFORMATION")
    assert ConnectDeadLetters(log, CODEC).turn() == 1
    [letter] = letters(log)
    assert (letter.rule, letter.payload) == ("text_without_nul", value)


def test_each_session_gets_its_own_and_one_that_was_removed_none(log: DyingLog) -> None:
    for topic in ("monday.candles", "tues.day.alerts", "gone.alerts"):
        put_aside(log, topic, 1)
    assert ConnectDeadLetters(log, CODEC).turn() == 2
    assert offsets(log) == [1] and [one.source_topic for one in letters(log, "tues.day")] == ["alerts"]


def test_record_that_was_not_connects_is_passed_over(log: DyingLog) -> None:
    writer = log.writer("somebody")
    writer.begin()
    writer.append(SOURCE, key=None, value=b"x", time=NOON)
    writer.commit()
    put_aside(log, "monday.candles", 2)
    assert ConnectDeadLetters(log, CODEC).turn() == 1
    assert offsets(log) == [2]


def test_second_one_goes_on_where_the_first_was_and_the_first_after_the_second(log: DyingLog) -> None:
    """Two sessions run, each with its watchdog."""
    first, second = ConnectDeadLetters(log, CODEC), ConnectDeadLetters(log, CODEC)
    for offset, mover in enumerate((first, second, first, first, second)):
        put_aside(log, "monday.candles", offset)
        assert mover.turn() == 1
    assert first.turn() == second.turn() == 0
    assert offsets(log) == [0, 1, 2, 3, 4]


def test_one_that_died_within_its_transaction_left_nothing_and_the_next_moves_all(log: DyingLog) -> None:
    put_aside(log, "monday.candles", 0)
    log.dies = True
    with pytest.raises(BrokenOff):
        ConnectDeadLetters(log, CODEC).turn()
    assert letters(log) == []
    put_aside(log, "monday.candles", 1)
    assert ConnectDeadLetters(log, CODEC).turn() == 2
    assert offsets(log) == [0, 1]


def test_more_than_one_turn_can_hold_comes_with_the_next(log: DyingLog) -> None:
    count = dead_letters.READ_MAX + 3
    for offset in range(count):
        put_aside(log, "monday.candles", offset)
    mover = ConnectDeadLetters(log, CODEC)
    moved = [mover.turn() for _ in range(3)]
    assert sum(moved) == count and moved[2] == 0
    assert offsets(log) == list(range(count))


def test_before_connect_has_put_anything_aside_there_is_nothing_to_do() -> None:
    assert ConnectDeadLetters(MemoryLog(), CODEC).turn() == 0



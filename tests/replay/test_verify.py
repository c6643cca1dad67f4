"""What a verification finds, where it says that is, and what it refuses to judge."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from streams.domain.parameters import SessionSettings
from streams.domain.records import SnapshotChunk
from streams.errors import LogError, ReplayMismatch
from streams.log.codec import HEADER_LENGTH
from streams.log.interface import Message, Partition, Reader
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.log.read_only import ReadOnlyLog
from streams.operate.runtime import STAGES
from streams.replay.checkpoints.checkpoint import check, take
from streams.replay.recorded.patience import PatientLog
from streams.replay.verification.part import Part
from streams.replay.verification.session_check import session_record
from streams.replay.verification.verify import Verdict, verify
from tests.golden.play import CODE, Played, play
from tests.golden.sessions import START, halts
from tests.proofs.alterations import altered

KINDS = tuple(STAGES.values())
SECOND = 1_000_000
PART = Part(START + 14 * SECOND, START + 24 * SECOND)


@pytest.fixture(scope="module")
def session() -> Played:
    """Half a minute in two partitions and two risk tasks, with commands, dead letters and snapshots."""
    return play(*halts())


def verified(session: Played, log: object = None, part: Part = Part(), settings: SessionSettings | None = None, **more: object) -> Verdict:
    return verify(log or session.log, settings or session.settings, session.codec, KINDS, part=part, **more)  # type: ignore[arg-type]


@contextmanager
def changed(session: Played, topic: str, number: int, change: Callable[[list[Message]], list[Message]]) -> Iterator[None]:
    """The partition with its data records as `change` gives them back."""
    shelf = session.log.shelf(Layout.of(session.settings).at(topic, number))
    whole = list(shelf.messages)
    shelf.messages[:] = change(whole)
    shelf.stable_count = len(shelf.messages)
    try:
        yield
    finally:
        shelf.messages[:] = whole
        shelf.stable_count = len(whole)


def test_whole_session_is_equal_and_everything_in_it_is_compared(session: Played) -> None:
    verdict = verified(session)
    assert verdict.equal, verdict.divergences
    assert verdict.snapshots >= 15 and verdict.journal_entries > 100
    topics = ("market_data", "marks", "signals", "orders", "order_results", "ledger_entries", "alerts")
    assert all(verdict.records[topic] for topic in topics)


@pytest.mark.parametrize("part", [PART, PART._replace(start=None), PART._replace(end=None), Part(START, START)], ids=str)
def test_part_of_a_session_is_equal_by_itself(session: Played, part: Part) -> None:
    verdict = verified(session, part=part)
    assert verdict.equal, verdict.divergences
    assert verdict.compared < verified(session).compared


def test_alteration_is_found_by_the_part_it_lies_in_and_not_by_one_before_it(session: Played) -> None:
    late = START + 20 * SECOND
    topic = "portfolio_snapshots"

    def flip(whole: list[Message]) -> list[Message]:
        at = next(number for number, one in enumerate(whole) if one.value is not None and one.time > late)
        value = whole[at].value or b""
        return [*whole[:at], whole[at]._replace(value=value[:-1] + bytes([value[-1] ^ 2])), *whole[at + 1 :]]

    with changed(session, topic, 0, flip):
        found = verified(session, part=PART).divergences
        assert [(one.topic, one.partition) for one in found] == [(f"{session.settings.session}.{topic}", 0)]
        assert verified(session, part=Part(None, late - 2 * SECOND)).equal


# Once not found: a bit in the session's own record, and one in where a dead letter says that its bytes came from.
FOUND_LATE = [(4, 11), (4, 56), (4, 135), (4, 178)]


@pytest.mark.parametrize("seeds", [*([(seed, number) for number in range(6)] for seed in range(4)), FOUND_LATE], ids=str)
def test_altered_records_of_any_topic_are_found_and_named_by_replay_and_checkpoint(
    session: Played, seeds: list[tuple[int, int]], tmp_path: Path
) -> None:
    """`make soak` has 200 of them."""
    checkpoint = take(session.log, session.codec, session.settings.session, tmp_path / "marks", code_version=CODE)
    for seed, number in seeds:
        with altered(session.log, Layout.of(session.settings), random.Random(f"{seed} {number}")) as alteration:
            proof = check(session.log, session.codec, checkpoint, tmp_path / "marks")
            assert proof is not None and alteration.is_named_by(proof), f"{alteration}, was {proof}"
            verdict = verified(session)
            located = any(map(alteration.is_located_by, verdict.divergences))
            assert located or alteration.is_of_an_order, f"{alteration}, was {verdict.divergences}"


def test_every_flipped_byte_of_a_session_record_is_named(session: Played) -> None:
    layout = Layout.of(session.settings)

    def flipped(at: int) -> Callable[[list[Message]], list[Message]]:
        def flip(whole: list[Message]) -> list[Message]:
            value = whole[0].value or b""
            return [whole[0]._replace(value=value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]), *whole[1:]]

        return flip

    for at in range(HEADER_LENGTH, len(session.log.shelf(layout.at("session", 0)).messages[0].value or b"")):
        with changed(session, "session", 0, flipped(at)):
            named = session_record(session.log, layout, session.codec)
        assert named is not None and named.offset == 0, f"byte {at}"


@pytest.mark.parametrize("topic", ["commands", "dead_letters", "journal", "market_data", "session", "snapshots", "alerts"])
def test_flipped_bit_in_every_kind_of_topic_is_named(session: Played, topic: str) -> None:
    """In the second record's id; of commands and dead letters in a text at the end, where they decode all the same."""
    number = 2 if topic == "snapshots" else 0  # the feed has none
    named: list[int] = []

    def flip(whole: list[Message]) -> list[Message]:
        at = [number for number, one in enumerate(whole) if one.value is not None][1]
        value = whole[at].value or b""
        named.append(whole[at].offset)
        place = len(value) - 3 if topic in ("commands", "dead_letters") else 12
        return [*whole[:at], whole[at]._replace(value=value[:place] + bytes([value[place] ^ 4]) + value[place + 1 :]), *whole[at + 1 :]]

    with changed(session, topic, number, flip):
        places = [(one.topic, one.partition, one.offset) for one in verified(session).divergences]
    assert (f"{session.settings.session}.{topic}", number, named[0]) in places


def test_market_record_without_checks_in_its_journal_is_told_by_its_flush(session: Played) -> None:
    """As sessions of before there were checks."""
    from streams.exchange.writer import source_of
    from streams.log.batch import NO_DIGEST
    from streams.log.codec import HEADER_LENGTH
    from streams.log.journal import entry_digest
    from streams.stages.state import encode_state

    def unchecked(whole: list[Message]) -> list[Message]:
        previous, entries = NO_DIGEST, []
        for message in whole:
            if message.value is None:
                entries.append(message)
                continue
            entry = session.codec.decode(message.value)
            source = msgspec.structs.replace(source_of(entry), checks={})  # type: ignore[arg-type]
            entry = msgspec.structs.replace(entry, source=encode_state(source).decode(), previous_digest=previous)
            value = session.codec.wire(entry)
            previous = entry_digest(value[HEADER_LENGTH:])
            entries.append(message._replace(value=value))
        return entries

    def swapped_sizes(whole: list[Message]) -> list[Message]:
        at = next(number for number, one in enumerate(whole) if number > 60 and one.value is not None)
        value = whole[at].value or b""
        return [*whole[:at], whole[at]._replace(value=value[:-1] + bytes([value[-1] ^ 1])), *whole[at + 1 :]]

    with changed(session, "journal", 0, unchecked):
        assert verified(session).equal
        with changed(session, "market_data", 1, swapped_sizes):
            [first, *_] = verified(session).divergences
            assert first.what == "the feed's digest over its records" and first.topic.endswith(".journal")


def test_other_code_and_settings_are_said_before_anything_is_run(session: Played) -> None:
    said: list[str] = []
    order: list[str] = []
    other = session.settings.model_copy(update={"snapshot_interval_seconds": 11})
    verify(
        session.log, other, session.codec, KINDS, lambda now: order.append(now.what), code_version="another",
        say=lambda words: (said.append(words), order.append("said"))[0],
    )  # fmt: skip
    assert said == [
        f"the journal was written by code {CODE}; this is another",
        f"the journal was written with settings {session.settings.digest()}; the session's are {other.digest()}",
    ]
    assert order[:2] == ["said", "said"]


def test_replay_cannot_write(session: Played) -> None:
    log = PatientLog(session.log, FrozenWall(), lambda _: None)
    for call in (
        lambda: log.writer("w"), lambda: log.create({"t": 1}), lambda: log.delete(["t"]),
        lambda: log.member("g", "t", on_assigned=lambda _: None, on_revoked=lambda _, __: None),
    ):  # fmt: skip
        with pytest.raises(LogError, match="replay only reads"):
            call()
    before = {topic: [len(session.log.shelf(Partition(topic, n)).messages) for n in range(count)] for topic, count in log.topics().items()}
    assert verified(session, log).equal
    assert before == {
        topic: [len(session.log.shelf(Partition(topic, n)).messages) for n in range(count)] for topic, count in log.topics().items()
    }


# What no verdict can be given on


class Trimmed(ReadOnlyLog):
    """A log whose retention has taken the first records of some partitions."""

    def __init__(self, log: MemoryLog, starts: Mapping[Partition, int]) -> None:
        super().__init__(log)
        self._starts = starts

    def start_offset(self, partition: Partition) -> int:
        return self._starts.get(partition, 0)


def offset_at(session: Played, topic: str, number: int, time: int) -> tuple[Partition, int]:
    place = Layout.of(session.settings).at(topic, number)
    return place, session.log.offset_at(place, time)


@pytest.mark.parametrize("topic", ["journal", "market_data", "orders", "marks"])
def test_records_beyond_retention_are_named_and_a_later_part_is_still_verified(session: Played, topic: str) -> None:
    count = Layout.of(session.settings).count(topic)
    log = Trimmed(session.log, dict(offset_at(session, topic, number, START + 6 * SECOND) for number in range(count)))
    with pytest.raises(LogError, match=rf"{topic}/\d must hold .*begins .*gone.*verify from .*--from"):
        verified(session, log)
    assert verified(session, log, part=PART._replace(start=START + 25 * SECOND, end=None)).equal


def test_gap_that_compaction_left_at_the_beginning_is_no_verdict_and_one_in_the_middle_is_named(session: Played) -> None:
    """Compaction keeps the offsets of what is left, and the log still begins at 0."""
    with changed(session, "journal", 3, lambda whole: whole[5:]), pytest.raises(LogError, match="by retention or by compaction"):
        verified(session)
    with changed(session, "journal", 3, lambda whole: whole[:5] + whole[8:]):
        [first, *_] = verified(session).divergences
        assert "entries 4 to 6" in str(first) and "missing" in str(first)


def test_journal_of_a_newer_version_is_refused_as_a_whole(session: Played) -> None:
    newer = [lambda whole: [one._replace(value=b"\x00\x00\x00\x01\x01" + (one.value or b"")[5:]) for one in whole]]
    with changed(session, "journal", 2, newer[0]), pytest.raises(LogError, match=r"journal/2 offset 0.*newer one.*nothing was compared"):
        verified(session)


def test_snapshot_that_is_not_what_it_says_begins_no_replay(session: Played) -> None:
    def other_state(whole: list[Message]) -> list[Message]:
        return [
            one._replace(value=session.codec.wire(msgspec.structs.replace(chunk, payload=chunk.payload[:-1] + b"!"))) if chunk.part else one
            for one in whole
            for chunk in [session.codec.decode(one.value or b"", SnapshotChunk)]
            if isinstance(chunk, SnapshotChunk)
        ]

    with changed(session, "snapshots", 4, other_state):
        with pytest.raises(ReplayMismatch, match=r"snapshots/4 offset \d+: the state must have the digest"):
            verified(session, part=PART)
        [first] = verified(session).divergences
        assert "the state" in first.what and first.topic.endswith(".snapshots")


class FrozenWall:
    """Time passes by waiting alone."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> int:
        return int(self.time * 1e6)

    def monotonic(self) -> float:
        return self.time

    def wait(self, seconds: float) -> bool:
        self.time += seconds
        return False


class Flaky(ReadOnlyLog):
    """A log whose broker goes away at the polls `falls`, each time for `away` questions."""

    def __init__(self, log: MemoryLog, falls: Sequence[int], away: int) -> None:
        super().__init__(log)
        self.polls, self.falls, self.away, self.down = 0, set(falls), away, 0

    def topics(self) -> dict[str, int]:
        if self.down:
            self.down -= 1
            raise LogError("broker must answer")
        return super().topics()

    def reader(self, positions: Mapping[Partition, int]) -> Reader:
        inner = super().reader(positions)
        poll = inner.poll

        def fallible(count_max: int, timeout_s: float) -> list[Message]:
            self.polls += 1
            if self.polls in self.falls:
                self.down = self.away
                raise LogError("broker must answer within 10 s, was away")
            return poll(min(count_max, 50), timeout_s)

        inner.poll = fallible  # type: ignore[method-assign]
        return inner


def test_verification_goes_on_where_it_was_when_the_broker_comes_back(session: Played) -> None:
    said: list[str] = []
    log = PatientLog(Flaky(session.log, (40, 90, 91), away=3), FrozenWall(), said.append)  # type: ignore[arg-type]
    with pytest.raises(LogError, match="was away"):
        verified(session, log)  # twice in a row, with the log answering in between: another trouble
    said.clear()
    log = PatientLog(Flaky(session.log, (20, 60, 100), away=3), FrozenWall(), said.append)  # type: ignore[arg-type]
    verdict = verified(session, log)
    assert verdict == verified(session)
    assert [words.startswith("broker") for words in said] == [True, False] * 3


def test_broker_that_stays_away_ends_the_verification_without_a_verdict(session: Played) -> None:
    wall = FrozenWall()
    log = PatientLog(Flaky(session.log, (60,), away=1 << 30), wall, lambda _: None, seconds=60)  # type: ignore[arg-type]
    with pytest.raises(LogError, match="broker must answer within 10 s"):
        verified(session, log)
    assert 60 <= wall.time < 62

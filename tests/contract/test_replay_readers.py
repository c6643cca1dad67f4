"""Who looks at a recorded session declares what it reads as well: questions, what-if, incidents, verification, operators, hosts."""

from collections.abc import Callable
from contextlib import closing
from functools import cache

import pytest

from streams.contract.readers import readers
from streams.domain import records as r
from streams.errors import ConfigError
from streams.exchange.guard import refuse_second_feed
from streams.exchange.writer import FeedWriter
from streams.log.codec import SchemaIds
from streams.log.interface import Partition
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.log.read_only import ReadOnlyLog
from streams.log.takeover import take_over
from streams.operate import sessions
from streams.operate.commands import Confirmation, Sent
from streams.operate.runtime import STAGES
from streams.replay.questions.chain import Link, why
from streams.replay.questions.moments import span_of
from streams.replay.questions.player import Player
from streams.replay.questions.state import state_at
from streams.replay.questions.whynot import whynot
from streams.replay.questions.wording import values_of, words_of
from streams.replay.recorded.recorded import Recorded
from streams.replay.verification.verify import verify
from streams.replay.whatif.comparison import compared
from streams.replay.whatif.other_settings import made_again
from streams.replay.whatif.settings_changed import changed
from streams.report.incident.gather import incident_of
from streams.report.incident.page import incident_page
from tests.contract.guarded import Declared, Guard, GuardedCodec, unwatched_stages
from tests.contract.samples import NOON
from tests.exchange.sessions import FakeWall
from tests.golden.play import Played, play
from tests.golden.sessions import halts, perpetual
from tests.replay.recordings import drilled, found, recorded, refused
from tests.replay.test_backtest import Live
from tests.replay.test_two_versions import more

DECLARED: dict[str, Declared] = {reader.name: reader.reads for reader in readers()}
ASKED = (
    ("order_results", r.OrderResult), ("positions", r.Position), ("alerts", r.Alert), ("ledger_entries", r.LedgerEntry),
    ("orders", r.Order), ("signals", r.Signal), ("candles", r.Candle), ("portfolio_snapshots", r.PortfolioSnapshot),
    ("allocations", r.Allocation),
)  # fmt: skip


@cache
def halted() -> Played:
    """Half a minute with commands, dead letters and snapshots, ended."""
    return play(*halts())


def watched(live: Live, guard: Guard) -> Recorded:
    return Recorded.of(live.log, GuardedCodec(guard), live.settings, STAGES)


def told(link: Link) -> None:
    """A chain as the command prints it."""
    record = getattr(getattr(link.cause, "placed", link.cause), "record", None)
    if record is not None:
        words_of(record)
        values_of(record)
    for one in link.links:
        told(one)


def put_questions(guard: Guard) -> None:
    live = drilled()
    session = watched(live, guard)
    for topic, kind in ASKED:
        every: list[r.Record] = found(live, topic, kind)  # type: ignore[type-var]
        for one in every[:: len(every) // 6 + 1]:
            told(why(session, one.event_id).root)
    span = span_of(session)
    state_at(session, (span.start + span.end) // 2)
    for happening, _ in Player(session, span.start, span.end).play():
        for _, record in happening.records:
            words_of(record)
    for order in [one for one in found(refused(), "orders", r.Order) if not one.approved][:3]:
        whynot(watched(refused(), guard), order.event_id)


def ask_what_if(guard: Guard) -> None:
    live = drilled()
    settings = changed(live.settings, {"risk.max_position_pct": "0.05"})
    compared(watched(live, guard), made_again(watched(live, guard), settings, code_version="test"))


def draw_incident(guard: Guard) -> None:
    session = watched(drilled(), guard)
    span = span_of(recorded(drilled()))
    incident_page(incident_of(session, span.start, span.end, span.end, None))


def run_again(guard: Guard) -> None:
    session = halted()
    assert verify(session.log, session.settings, GuardedCodec(guard), tuple(STAGES.values())).equal


def confirm(guard: Guard) -> None:
    """A command that is already taken, looked for from the beginning."""
    session = halted()
    layout, log, codec = Layout.of(session.settings), session.log, GuardedCodec(guard)
    taken = session.codec.decode(next(one.value for one in log.shelf(layout.at("commands", 0)).messages if one.value), r.Command)
    assert isinstance(taken, r.Command)
    sent = Sent(
        taken, {task: (layout.journal("risk", task), 0) for task in range(layout.risk_tasks)},
        [(layout.at("alerts", number), 0) for number in range(layout.count("alerts"))],
    )  # fmt: skip
    with closing(Confirmation(log, codec, sent)) as confirmation:
        while not confirmation.look():
            pass
        assert confirmation.outcomes()


class WithoutSnapshots(ReadOnlyLog):
    """A log on which every task begins at the beginning."""

    def end_offset(self, partition: Partition) -> int:
        return self.start_offset(partition) if partition.topic.endswith(".snapshots") else super().end_offset(partition)


def host(guard: Guard) -> None:
    """Stages taken over from a snapshot and from the beginning, a feed that goes on, and the session's own record from first to last."""
    codec, stages = GuardedCodec(guard, valid_too=True), unwatched_stages(tuple(STAGES.values()), guard)
    for session in (halted(), play(*perpetual())):
        layout = Layout.of(session.settings)
        for make in stages:
            for number in range(layout.tasks(make(session.settings, 0))):
                for log in (session.log, WithoutSnapshots(session.log)):
                    stage = make(session.settings, number)
                    assert take_over(log, layout, codec, stage, number, snapshot_interval=10_000_000).sequence
    refuse_second_feed(session.log, codec, session.settings, FakeWall())
    FeedWriter(session.log, codec, session.settings, code_version="test").close()
    ids, fresh, name = SchemaIds.offline(), MemoryLog(), session.settings.session
    sessions.create(fresh, codec, session.settings, schema_ids=ids, code_version="test", time=NOON)
    with pytest.raises(ConfigError):
        other = session.settings.model_copy(update={"snapshot_interval_seconds": 30})
        sessions.create(fresh, codec, other, schema_ids=ids, code_version="test", time=NOON)
    newer = ids._replace(writers={**ids.writers, 9_000: ("Order", more("Order"))})
    sessions.go_on(fresh, codec, name, schema_ids=newer, code_version="test")
    assert sessions.read(fresh, codec, name) == session.settings
    sessions.end(fresh, codec, name, time=NOON)


RUNS: dict[str, Callable[[Guard], None]] = {
    "questions": put_questions, "what-if": ask_what_if, "incidents": draw_incident, "verification": run_again, "operators": confirm,
    "hosts": host,
}  # fmt: skip

@pytest.mark.parametrize("name", RUNS)
def test_reader_reads_what_it_declares_and_nothing_else(name: str) -> None:
    guard = Guard(name, DECLARED[name])
    RUNS[name](guard)
    declared = {f"{record}.{field}" for record, fields in DECLARED[name].items() for field in fields}
    assert declared == guard.read


def test_every_declared_reader_is_held_to_it() -> None:
    """Those of the live path in `test_readers.py`, the tables by their columns."""
    others = {"signals", "risk", "execution", "summary", "report", "live view"}
    assert set(RUNS) | others == {name for name in DECLARED if not name.startswith("table ")}

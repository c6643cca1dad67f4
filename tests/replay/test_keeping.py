"""The archive duty: topics go only once their archive holds them all, is sound, and replays equal."""

import random
from pathlib import Path

import pytest

from streams.log.archive import ArchiveLog
from streams.log.codec import SchemaIds
from streams.log.interface import Partition
from streams.log.layout import Layout
from streams.operate import sessions
from streams.operate.runtime import STAGES
from streams.operate.topics import sessions as sessions_on
from streams.replay.archive.keeping import Duty, Kept, keep
from streams.replay.checkpoints.checkpoint import damages
from streams.replay.recorded.recorded import Recorded
from streams.replay.verification.part import Part
from streams.replay.verification.verify import Progress, verify
from tests.golden.play import CODE, Played, play
from tests.golden.sessions import crash
from tests.proofs.alterations import altered

DAY = 86_400_000_000
HALF = crash().settings.feed.start_time + 12_000_000


@pytest.fixture
def session() -> Played:
    return play(*crash())


def done(session: Played, folder: Path, *, days_later: float = 0, keep_days: float | None = 30, ran: list[Progress] | None = None) -> Kept:
    manifest = sessions.manifest(session.log, session.codec, session.settings.session)
    now = manifest.time + int(days_later * DAY)
    duty = Duty(
        session.log, SchemaIds.offline(), STAGES, CODE, now, None if keep_days is None else int(keep_days * DAY),
        progress=(ran if ran is not None else []).append,
    )  # fmt: skip
    return keep(duty, manifest, folder / session.settings.session)


def test_topics_go_once_the_session_is_archived_proven_and_old(session: Played, tmp_path: Path) -> None:
    name = session.settings.session
    assert done(session, tmp_path, days_later=29)._replace(records=0) == Kept(name, 0, verified=True, expired=False)
    assert sessions_on(session.log) == [name]
    assert not done(session, tmp_path, days_later=500, keep_days=None).expired
    assert done(session, tmp_path, days_later=31).expired
    assert sessions_on(session.log) == []
    archive = ArchiveLog(tmp_path / name)
    recorded = Recorded.of(archive, session.codec, session.settings, STAGES)
    assert verify(recorded.log, session.settings, session.codec, tuple(STAGES.values())).equal
    assert damages(tmp_path / name, name) == []


def test_session_whose_record_was_altered_is_named_and_keeps_its_topics(session: Played, tmp_path: Path) -> None:
    rng = random.Random(3)
    while True:
        with altered(session.log, Layout.of(session.settings), rng) as alteration:
            if alteration.place.topic.endswith(".session"):
                continue  # without it nobody knows whose records these are
            kept = done(session, tmp_path, days_later=99)
            assert not kept.verified and not kept.expired and str(alteration.place.topic) in kept.fault
            assert sessions_on(session.log) == [session.settings.session]
            return


def test_archive_that_was_damaged_is_written_anew_before_its_topics_go(session: Played, tmp_path: Path) -> None:
    done(session, tmp_path)
    path = next((tmp_path / session.settings.session).glob("*.orders/0.avro"))
    path.write_bytes(path.read_bytes()[:-9])
    assert done(session, tmp_path, days_later=99).expired
    assert damages(tmp_path / session.settings.session, session.settings.session) == []


def test_unchanged_session_is_not_run_again(session: Played, tmp_path: Path) -> None:
    first: list[Progress] = []
    again: list[Progress] = []
    done(session, tmp_path, ran=first)
    assert done(session, tmp_path, ran=again).verified
    assert first and not again


def test_open_session_is_archived_as_far_as_all_its_tasks_are_and_keeps_its_topics(session: Played, tmp_path: Path) -> None:
    """Its status is that of a session whose end nobody has said; execution has written less than the others."""
    name = session.settings.session
    log = session.log
    shelf = log.shelf(Partition(f"{name}.session", 0))
    shelf.messages.pop()
    shelf.stable_count -= 1
    journal = log.shelf(Layout.of(session.settings).journal("execution", 0))
    for lost in (journal, log.shelf(Layout.of(session.settings).at("order_results", 0))):
        kept = [one for one in lost.messages if one.time <= HALF]
        lost.messages[:], lost.stable_count = kept, len(kept)
    assert sessions.manifest(log, session.codec, name).status == sessions.OPEN
    kept_now = done(session, tmp_path, days_later=999)
    assert kept_now.verified and not kept_now.expired, kept_now.fault
    end = Recorded.of(log, session.codec, session.settings, STAGES).end()
    assert verify(log, session.settings, session.codec, tuple(STAGES.values()), part=Part(None, end)).equal

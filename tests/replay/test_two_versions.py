"""A session whose first half one version of the schemas wrote, and whose second half the next: run again, archived, laid down, altered."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import schemas
from streams.domain.parameters import SessionSettings
from streams.domain.records import RECORDS
from streams.errors import ConfigError
from streams.exchange.writer import FeedWriter
from streams.log.archive import ArchiveLog, read_manifest
from streams.log.canonical import differences
from streams.log.codec import HEADER_LENGTH, Codec
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.log.schema_ids import SchemaIds, identity, ids_of, is_covered
from streams.operate import sessions
from streams.operate.laying import lay, new_headers
from streams.operate.runtime import STAGES
from streams.operate.topics import create_session
from streams.replay.archive.session_archive import export_session
from streams.replay.checkpoints.checkpoint import CHECKPOINT, check, damages, marks_of, read, take
from streams.replay.recorded.recorded import Recorded
from streams.replay.recorded.rerun import Rerun
from streams.replay.verification.verify import verify
from tests.golden.play import CODE, Happens, Played, _Play, play
from tests.golden.sessions import halts

KINDS = tuple(STAGES.values())
# Nothing of these decides anything, so that the decisions are the same with them and without.
OPTIONAL = {
    "Order": {"measured", "limit", "decision_mark"}, "Alert": {"measured", "limit"}, "LedgerEntry": {"order_id"},
    "Position": {"opened_at", "take_profit_price"}, "Allocation": {"score"}, "OrderResult": {"market_event_id"}, "Mark": {"index"},
}  # fmt: skip


def without(record: str) -> str:
    """A version from before some fields came."""
    schema = schemas.schema(record)
    schema["fields"] = [field for field in schema["fields"] if field["name"] not in OPTIONAL.get(record, ())]
    return json.dumps(schema)


def today(record: str) -> str:
    return schemas.released(record)[-1].text


def first(record: str) -> str:
    """What was released first."""
    return schemas.released(record)[0].text


def more(record: str) -> str:
    """A version yet to come, with fields that this program knows nothing of."""
    schema = schemas.schema(record)
    schema["fields"] += [
        {"name": "later_note", "type": ["null", "string"], "default": None, "doc": "Note; null without one."},
        {"name": "later_bytes", "type": "bytes", "default": "\u0000\u00ff", "doc": "Bytes."},
    ]
    return json.dumps(schema)


def ids_with(*versions: Callable[[str], str], base: int = 0) -> SchemaIds:
    """As a registry that numbers from `base`; the last version is written."""
    writers = {
        base + 1000 * place + number: (name, version(name))
        for number, name in enumerate(RECORDS)
        for place, version in enumerate(versions, start=1)
    }
    # A version that changes nothing has the id of the one before it.
    kept: dict[str, tuple[int, tuple[str, str]]] = {}
    for number, one in sorted(writers.items()):
        kept.setdefault(identity(*one), (number, one))
    return SchemaIds({name: number for number, (name, _) in kept.values()}, dict(kept.values()))


class Halves(_Play):
    """At the word "upgrade" every program ends, and others that know the second version go on."""

    def __init__(self, settings: SessionSettings, story: list[Happens], ids: tuple[SchemaIds, SchemaIds]) -> None:
        self.settings, self.story, self.a_turn = settings, story, 40
        self.log, self.codec, self.layout = MemoryLog(), Codec(ids[0]), Layout.of(settings)
        self.start = settings.feed.start_time
        self._newer = ids[1]
        sessions.create(self.log, self.codec, settings, schema_ids=ids[0], code_version=CODE, time=self.start)
        self.workers, self.slots, self.said = {}, 0, 0
        self._join()

    def _happen(self, one: Happens, writer: FeedWriter, last: dict[str, Any]) -> None:
        if one.what == "upgrade":
            self.codec = writer._codec = Codec(self._newer)
            name = self.settings.session
            first = sessions.manifest(self.log, self.codec, name)
            for _ in range(2):
                sessions.go_on(self.log, self.codec, name, schema_ids=self._newer, code_version="newer")
            assert sessions.manifest(self.log, self.codec, name).event_id != first.event_id
            one = Happens(one.share, "restart")
        super()._happen(one, writer, last)


def halves(first: Callable[[str], str], second: Callable[[str], str]) -> tuple[Played, SchemaIds]:
    settings, story = halts()
    ids = ids_with(first, second)
    happens = sorted([*story, Happens(0.45, "upgrade"), Happens(0.6, "restart")])
    return Halves(settings, happens, (ids_with(first), ids)).run(), ids


@pytest.fixture(scope="module", params=[(without, today), (today, more), (first, today)], ids=["came", "to come", "releases"])
def session(request: pytest.FixtureRequest) -> tuple[Played, SchemaIds]:
    return halves(*request.param)


@pytest.fixture(scope="module")
def archived(session: tuple[Played, SchemaIds], tmp_path_factory: pytest.TempPathFactory) -> Path:
    played, ids = session
    folder = tmp_path_factory.mktemp("two-versions") / played.settings.session
    manifest = sessions.manifest(played.log, played.codec, played.settings.session)
    export_session(played.log, manifest, ids, folder, code_version=CODE)
    return folder


def written(played: Played, topic: str) -> list[str]:
    """What schema each record of a topic says it was written with; a stranger's bytes say none."""
    place = Layout.of(played.settings).at(topic, 0)
    values = [one.value for one in played.log.shelf(place).messages if one.value is not None]
    names = map(played.codec.schema_of, values)
    return [name for name in names if name is not None]


def test_session_of_two_versions_is_equal_when_it_is_run_again(session: tuple[Played, SchemaIds]) -> None:
    played, _ = session
    found = {topic: written(played, topic) for topic in schemas.catalogue()}
    both = {topic for topic, names in found.items() if len(set(names)) == 2}
    assert both & {"orders", "portfolio_snapshots"}
    assert {sum(one != other for one, other in pairwise(found[topic])) for topic in both} == {1}
    verdict = verify(played.log, played.settings, played.codec, KINDS)
    assert verdict.equal, verdict.divergences
    assert verdict.records["orders"] and verdict.snapshots


def test_decisions_are_those_of_a_session_in_one_version(session: tuple[Played, SchemaIds]) -> None:
    played, _ = session
    whole, layout = play(*halts()), Layout.of(played.settings)
    assert list(differences((played.log, played.codec), (whole.log, whole.codec), layout, layout)) == []


def test_questions_run_both_halves_against_the_journals_digests(session: tuple[Played, SchemaIds]) -> None:
    played, _ = session
    recorded = Recorded.of(played.log, played.codec, played.settings, STAGES)
    end = recorded.end()
    for stage, number in recorded.tasks():
        for start in (None, end - 2_000_000):
            again = Rerun(recorded, stage, number, start=start, end=end)
            assert again.reached(end).events
            again.close()


def test_archive_of_two_versions_is_sound_and_replays_where_it_lies(session: tuple[Played, SchemaIds], archived: Path) -> None:
    played, ids = session
    about = read_manifest(archived).about
    assert about is not None and about.written() == SchemaIds(ids.ids, ids.writers)
    assert damages(archived, about.session) == []
    archive = ArchiveLog(archived)
    verdict = verify(archive, played.settings, sessions.codec_of(archive, about.session), KINDS)
    assert verdict.equal, verdict.divergences


def test_import_gives_each_version_the_registrys_own_id_and_replays_equal(session: tuple[Played, SchemaIds], archived: Path) -> None:
    played, ids = session
    here = SchemaIds({name: number + 70 for name, number in ids.ids.items()}, {n + 70: one for n, one in ids.writers.items()})
    log, name = MemoryLog(), played.settings.session
    create_session(log, name, feeds=2, risk=2)
    about = read_manifest(archived).about
    assert about is not None
    # As registries do, this one lays the same schema out in other white space.
    here = here._replace(writers={number: (one, json.dumps(json.loads(text), indent=3)) for number, (one, text) in here.writers.items()})
    lay(ArchiveLog(archived), log, name, new_headers(about.written(), here))
    codec = Codec(here)
    laid = Played(log, codec, played.settings)
    for topic in schemas.catalogue():
        assert written(laid, topic) == written(played, topic)
    verdict = verify(log, played.settings, codec, KINDS)
    assert verdict.equal, verdict.divergences
    assert check(log, codec, read(archived / CHECKPOINT), marks_of(archived / CHECKPOINT)) is None


def test_record_under_the_other_versions_id_is_named(session: tuple[Played, SchemaIds], tmp_path: Path) -> None:
    played, ids = session
    checkpoint = take(played.log, played.codec, played.settings.session, tmp_path / "marks", code_version=CODE)
    both = (("orders", "Order"), ("portfolio_snapshots", "PortfolioSnapshot"))
    topic, record = next(one for one in both if len(set(written(played, one[0]))) > 1)
    shelf = played.log.shelf(Layout.of(played.settings).at(topic, 0))
    whole = list(shelf.messages)
    at = max(place for place, one in enumerate(whole) if one.value is not None)
    value = whole[at].value or b""
    (other,) = {number for number, (name, _) in ids.writers.items() if name == record} - {ids.ids[record]}
    shelf.messages[at] = whole[at]._replace(value=b"\x00" + other.to_bytes(4, "big") + value[HEADER_LENGTH:])
    try:
        found = check(played.log, played.codec, checkpoint, tmp_path / "marks")
        assert found is not None and (found.topic, found.offset) == (whole[at].topic, whole[at].offset)
        divergences = verify(played.log, played.settings, played.codec, KINDS).divergences
        assert (whole[at].topic, whole[at].offset) in [(one.topic, one.offset) for one in divergences]
    finally:
        shelf.messages[:] = whole


def test_archive_of_a_newer_program_is_not_laid_onto_a_log_that_cannot_tell_its_versions_apart() -> None:
    with pytest.raises(ConfigError, match="must be of a version that this program knows .* a newer program wrote it"):
        new_headers(ids_with(today, more), SchemaIds.offline())


# What a session's own record keeps of them


def test_sessions_record_names_id_version_and_fingerprint_of_every_schema() -> None:
    ids = SchemaIds.offline()
    kept = json.loads(ids.text())
    assert [[row[:2] for row in kept[name]] for name in ("MarketData", "Order")] == [[[1, 1]], [[8, 1]]]
    assert all(row[2].startswith("sha256:") for rows in kept.values() for row in rows)
    assert SchemaIds.of_text(ids.text()) == ids
    assert is_covered(ids, ids.text())
    assert not is_covered(ids_with(today, more), ids_with(today).text())


def test_record_of_a_session_from_before_there_were_versions_names_the_first_ones() -> None:
    old = json.dumps({name: number for number, name in enumerate(RECORDS, start=31)})
    found = SchemaIds.of_text(old)
    assert found.ids["Order"] == 38 and found.writers[38] == ("Order", schemas.released("Order")[0].text)
    assert ids_of(old, "Order") == [38]


@pytest.mark.parametrize("text", ["[]", "7", '{"Order": "8"}', '{"Order": [[8, 1]]}', "{"])
def test_record_that_names_no_schemas_says_so(text: str) -> None:
    with pytest.raises(ValueError):
        SchemaIds.of_text(text)

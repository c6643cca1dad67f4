"""
A session run again from its log, every output compared byte by byte with what stands there.

Each task is replayed on its own, from the market data and internal topics that it read, with the journal's commands at the times
they were taken; so the first divergence is found at the stage that made it. Nothing is written: a verification holds readers only.
Compared are: every data record of every output topic (key, payload), the running digest at each journal entry, the chain of journal
entries, the feed's records against the checks and digests in its journal, commands by their bytes, dead letters, each snapshot's
state, and the session's own record. Not compared are watermarks, which decide nothing: a checkpoint holds them too.

First come the journals: who wrote them, with which settings, is said before anything is run. Memory does not grow with the session.
"""

from collections.abc import Callable
from typing import NamedTuple

from streams.domain.parameters import SessionSettings
from streams.domain.records import DeadLetter
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.log.layout import Layout
from streams.replay.verification.feed_replay import FeedReplay
from streams.replay.verification.journal_check import Divergence
from streams.replay.verification.letters import Letters
from streams.replay.verification.part import WHOLE, Part
from streams.replay.verification.session_check import session_record
from streams.replay.verification.task_replay import TaskReplay
from streams.stages.contract import StageFactory


class Progress(NamedTuple):
    """How far a verification is: what it runs, events stepped so far, and its share (0..1) of all there is to do."""

    what: str
    events: int
    share: float


class Verdict(NamedTuple):
    """What a verification compared, the first divergence of each task that has one, and who wrote the session."""

    records: dict[str, int]  # data records compared, by topic
    journal_entries: int
    snapshots: int
    events: int
    divergences: list[Divergence]
    notes: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        return not self.divergences

    @property
    def compared(self) -> int:
        return sum(self.records.values())


def verify(
    log: Log, settings: SessionSettings, codec: Codec, stages: tuple[StageFactory, ...],
    progress: Callable[[Progress], None] = lambda _: None, *, part: Part = WHOLE, code_version: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """
    Replays every task of a session, or of a part of it, and compares. `say` is told of other code and settings before anything is run.

    Raises: LogError where a topic or records that are needed are missing, the journal is of a newer version, or the log goes away;
    ReplayMismatch where a snapshot that it must begin with is not what it says: no half-true verdict.
    """
    return _Verification(log, settings, codec, stages, progress, part).run(code_version, say)


class _Verification:
    def __init__(
        self, log: Log, settings: SessionSettings, codec: Codec, stages: tuple[StageFactory, ...], progress: Callable[[Progress], None],
        part: Part,
    ) -> None:
        self._log, self._settings, self._codec, self._stages, self._progress, self._part = log, settings, codec, stages, progress, part
        self._layout = Layout.of(settings)
        self._letters = Letters(log, self._layout, codec)
        self._feed = FeedReplay(log, self._layout, codec, part, self._letters)
        self._events = 0
        self._tasks: list[TaskReplay] = []
        for stage_of in stages:
            for number in range(self._layout.tasks(stage_of(settings, 0))):
                stage = stage_of(settings, number)
                self._tasks.append(TaskReplay(log, self._layout, codec, stage, number, settings, part, self._letters, self._on_task))
        self._done = 0

    def run(self, code_version: str | None, say: Callable[[str], None]) -> Verdict:
        divergences = [one for one in (session_record(self._log, self._layout, self._codec), self._letters.fault) if one is not None]
        broken: set[TaskReplay] = set()
        for task in self._tasks:
            found = task.read_journal()
            if found is not None:
                divergences.append(found)
                broken.add(task)
        notes = tuple(self._notes(code_version))
        for note in notes:
            say(note)
        divergences += self._replayed([self._feed, *(task for task in self._tasks if task not in broken)])
        if not divergences:
            letters = [letter for task in self._tasks for letter in task.dead_letters]
            divergences += self._compared_letters(letters)
        records: dict[str, int] = {}
        for compared in (self._feed.compared, *(task.compared for task in self._tasks)):
            for topic, count in compared.items():
                records[topic] = records.get(topic, 0) + count
        return Verdict(
            records, self._feed.entries + sum(task.entries for task in self._tasks), sum(task.snapshots for task in self._tasks),
            sum(task.events for task in self._tasks), divergences, notes,
        )  # fmt: skip

    def _replayed(self, runs: list[FeedReplay | TaskReplay]) -> list[Divergence]:
        divergences = []
        bug: AssertionError | None = None
        for run in runs:
            try:
                divergence = run.run()
            except AssertionError as error:
                # An altered record may break what a stage may take for granted of its inputs. Who wrote it names the place; where
                # nobody does, it is our bug.
                bug, divergence = error, None
            self._done += 1
            self._events += run.events
            self._progress(Progress("comparing", self._events, self._done / (len(self._tasks) + 1)))
            if divergence is not None:
                divergences.append(divergence)
        if bug is not None and not divergences:
            raise bug
        return divergences

    def _on_task(self, name: str, events: int, share: float) -> None:
        self._progress(Progress(f"replaying {name}", self._events + events, (self._done + share) / (len(self._tasks) + 1)))

    def _notes(self, code_version: str | None) -> list[str]:
        reads = [task.read for task in self._tasks if task.read is not None]
        codes = sorted({code for read in reads for code in read.codes})
        digests = sorted({digest for read in reads for digest in read.settings_digests})
        notes = []
        if code_version is not None and codes and codes != [code_version]:
            notes.append(f"the journal was written by code {', '.join(codes)}; this is {code_version}")
        if digests and digests != [self._settings.digest()]:
            notes.append(f"the journal was written with settings {', '.join(digests)}; the session's are {self._settings.digest()}")
        return notes

    def _compared_letters(self, letters: list[DeadLetter]) -> list[Divergence]:
        names = [stage_of(self._settings, 0).name for stage_of in self._stages]
        whole = self._part == WHOLE
        found = self._letters.compare(letters, names, whole=whole)
        return [] if found is None else [found]

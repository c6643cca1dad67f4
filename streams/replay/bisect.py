"""
Which commit first decided differently: a recorded session run again by the code of one revision after another.

Each revision is checked out into a work tree of its own, beside the project, and its code runs in a process of its own with this
virtual environment; what the revision knows of archives is all it needs. Between a good and a bad revision the middle one is asked, as
`git bisect` does; one that cannot run the session (it does not know its settings, its archives or its records) is passed over.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from streams.errors import ConfigError

RUN_SECONDS_MAX = 3600
# What a revision is asked, in words that revisions of before this file know too; where `verify` stood, they do not agree on.
_PROGRAM = """
import json, sys
from pathlib import Path
from streams.log.archive import ArchiveLog
from streams.operate import sessions
from streams.operate.runtime import STAGES
try:
    from streams.replay.verification.verify import verify
except ModuleNotFoundError:
    from streams.replay.verify import verify
log = ArchiveLog(Path(sys.argv[1]))
codec = sessions.codec_of(log, sys.argv[2])
settings = sessions.read(log, codec, sys.argv[2])
verdict = verify(log, settings, codec, tuple(STAGES.values()))
print(json.dumps([str(one) for one in verdict.divergences]))
"""


class Asked(NamedTuple):
    """What a revision answered: `equal` None where it could not run the session, which `words` then say why."""

    commit: str
    subject: str
    equal: bool | None
    words: str


class Found(NamedTuple):
    """The first revision that decides differently, after `passed_over` ones between it and the last good one that could not run."""

    first_bad: Asked
    last_good: Asked
    passed_over: list[Asked]


class Bisection:
    """One session's archive and one repository. `told` hears every answer."""

    def __init__(
        self, repository: Path, archive: Path, session: str, environment: Mapping[str, str], told: Callable[[Asked], None]
    ) -> None:
        self._repository, self._archive, self._session, self._told = repository, archive.resolve(), session, told
        self._environment = environment
        self._answers: dict[str, Asked] = {}

    def find(self, good: str, bad: str) -> Found:
        """
        Raises: ConfigError where a revision does not exist, `good` is not before `bad`, `good` differs or cannot run, or `bad` does not.
        """
        first, last = self._commit(good), self._commit(bad)
        between = self._git("rev-list", "--reverse", "--first-parent", "--ancestry-path", f"{first}..{last}").split()
        if not between:
            raise ConfigError(f"--good must be an ancestor of --bad, was {good} for {bad}")
        line = [first, *between]
        for revision, commit, due in ((good, first, True), (bad, last, False)):
            answer = self._asked(commit)
            if answer.equal is not due:
                words = "replay the session equal" if due else "decide differently"
                raise ConfigError(f"--{'good' if due else 'bad'} must {words}, {revision} did not: {answer.words}")
        return self._narrowed(line)

    def _narrowed(self, line: list[str]) -> Found:
        low, high = 0, len(line) - 1  # the first is good, the last is bad
        while True:
            middle = next((at for at in _from_the_middle(low, high) if self._asked(line[at]).equal is not None), None)
            if middle is None:
                break
            if self._asked(line[middle]).equal:
                low = middle
            else:
                high = middle
        return Found(self._asked(line[high]), self._asked(line[low]), [self._asked(line[at]) for at in range(low + 1, high)])

    def _asked(self, commit: str) -> Asked:
        if commit not in self._answers:
            subject = self._git("log", "-1", "--format=%s", commit).strip()
            with self._work_tree(commit) as folder:
                self._answers[commit] = self._answer(commit, subject, folder)
            self._told(self._answers[commit])
        return self._answers[commit]

    def _answer(self, commit: str, subject: str, folder: Path) -> Asked:
        # The revision's own code comes before the one that is installed.
        environment = {**self._environment, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(self._archive), self._session], cwd=folder, env=environment, capture_output=True,
            text=True, timeout=RUN_SECONDS_MAX, check=False,
        )  # fmt: skip
        if done.returncode:
            return Asked(commit, subject, None, (done.stderr.strip().splitlines() or ["it said nothing"])[-1])
        differs: list[str] = json.loads(done.stdout.splitlines()[-1])
        return Asked(commit, subject, not differs, differs[0] if differs else "equal")

    @contextmanager
    def _work_tree(self, commit: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="cdb-bisect-") as folder:
            place = Path(folder) / "tree"
            self._git("worktree", "add", "--detach", "--force", str(place), commit)
            try:
                yield place
            finally:
                self._git("worktree", "remove", "--force", str(place))

    def _commit(self, revision: str) -> str:
        try:
            return self._git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").strip()
        except ConfigError:
            raise ConfigError(f"revision must be one of {self._repository}, was {revision}") from None

    def _git(self, *words: str) -> str:
        try:
            done = subprocess.run(["git", "-C", str(self._repository), *words], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise ConfigError("git must be on the PATH to bisect, is not") from None
        if done.returncode:
            raise ConfigError(f"git {words[0]} must succeed in {self._repository}, did not: {done.stderr.strip()}")
        return done.stdout


def _from_the_middle(low: int, high: int) -> Iterator[int]:
    """Every place strictly between, the middle first."""
    yield from sorted(range(low + 1, high), key=lambda at: (abs(2 * at - low - high), at))

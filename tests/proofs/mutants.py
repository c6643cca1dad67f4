"""
Mutants: one small wrong change of a decision at a time; a test has to notice it.

Each runs in a copy of the tree in a temporary folder against the tests that reach its line, cheapest first, those named after its
module before all: in a fork of a process that has collected them already (`forking`), or in a process of its own where what is changed
runs at import. A mutant that outlives them fails the tier, unless `excused_mutants.toml` says why no test can tell it apart.
"""

import ast
import hashlib
import json
import os
import queue
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from functools import cache
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.proofs.forking import ENDLESS, HELD, MEMORY_BYTES, MUTANT_SECONDS, PIPE, Asked
from tests.proofs.mutation import Mutant, mutants_of
from tests.proofs.tier import PROJECT_FOLDER, PROOFS_FOLDER, Tier

TARGETS = (
    "streams/domain/risk", "streams/domain/execution", "streams/domain/perpetuals", "streams/domain/portfolio.py",
    "streams/domain/positions.py",
)
TESTS = "tests/domain"
COUNT = 150  # an hour on two cores
EXCUSED_FILE = Path(__file__).parent / "excused_mutants.toml"
COPIED = ("streams", "schemas", "tests", "deploy", "pyproject.toml", "README.md")
# Of the processor: what a test may take at least, and how often what it took before anything was changed.
LEAST_SECONDS, TIMES_ITS_OWN = 5, 4
# By the clock, where others' work counts too: so many times the most that a test may take.
PATIENCE = 5


class Fate(StrEnum):
    KILLED = "killed"
    TIMED_OUT = "timed_out"
    EXCUSED = "excused"
    SURVIVED = "survived"
    UNREACHED = "unreached"


class Excuse(NamedTuple):
    """Lines move, so the change itself names the mutant."""

    file: str
    before: str
    after: str


@cache
def all_mutants() -> tuple[Mutant, ...]:
    found: list[Mutant] = []
    for target in TARGETS:
        place = PROJECT_FOLDER / target
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            found += mutants_of(str(file.relative_to(PROJECT_FOLDER)), file.read_text())
    return tuple(found)


def sample(seed: int, count: int) -> list[Mutant]:
    """In the order of the draw, so that a larger count of the same seed goes on where a smaller one ends."""
    found = [*all_mutants()]
    random.Random(seed).shuffle(found)
    return found[:count]


def excuses() -> dict[Excuse, str]:
    """With the reason of each."""
    entries = tomllib.loads(EXCUSED_FILE.read_text()).get("mutant", [])
    return {Excuse(one["file"], one["before"], one["after"]): one["reason"] for one in entries}


class Reached:
    """Which tests reach a mutant, from one run of all of them under coverage."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._seconds: dict[str, float] = document["seconds"]
        self._files: dict[str, dict[str, list[str]]] = document["files"]

    def tests_of(self, mutant: Mutant) -> dict[str, float]:
        """In the order in which they run, with the most that each may take."""
        names = self._names(mutant)
        if "" in names or _is_cached(mutant):
            # Run at import or once for all: whoever uses the file may see it.
            names |= {name for tests in self._files[mutant.path].values() for name in tests}
        module = Path(mutant.path).stem.rstrip("s")
        ordered = sorted(names - {""}, key=lambda name: (module not in name.partition("::")[0], self._seconds[name], name))
        return {name: LEAST_SECONDS + TIMES_ITS_OWN * self._seconds[name] for name in ordered}

    def runs_at_import(self, mutant: Mutant) -> bool:
        return "" in self._names(mutant)

    def _names(self, mutant: Mutant) -> set[str]:
        lines = self._files.get(mutant.path, {})
        return {name for line in range(mutant.first, mutant.last + 1) for name in lines.get(str(line), ())}


def _is_cached(mutant: Mutant) -> bool:
    return "@lru_cache" in (PROJECT_FOLDER / mutant.path).read_text()


class Tree:
    """A copy of the tree in which one mutant at a time is put, and a process that forks for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: subprocess.Popen[bytes] | None = None
        self._pipe, theirs = Pipe()
        self._forking = self._start(
            [*_PYTEST, "-p", "tests.proofs.forking", TESTS, "--timeout=0"],
            {PIPE: str(theirs.fileno())}, pass_fds=(theirs.fileno(),),
        )  # fmt: skip
        theirs.close()
        assert self._pipe.recv(), "the tests are collected before anything is changed"

    def fate(self, mutant: Mutant, tests: dict[str, float], *, forked: bool) -> Fate:
        file = self._folder / mutant.path
        whole, stat = file.read_text(), file.stat()
        changed = mutant.applied(whole)
        ast.parse(changed)  # What is no program would pass for noticed.
        try:
            # For the tests that start processes as well.
            file.write_text(changed)
            end = self._forked(Asked(mutant.path, whole, changed, tests)) if forked else None
            return self._alone(tests) if end is None else _FATES.get(end, Fate.KILLED)
        finally:
            # With its old time, which the compiled file beside it goes by.
            file.write_text(whole)
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    def stop(self) -> None:
        """Ends what runs; its fate means nothing then."""
        for process in (self._forking, self._running):
            if process is not None:
                process.kill()
                process.wait()

    def _forked(self, asked: Asked) -> str | None:
        self._pipe.send(asked)
        end: str | None = self._pipe.recv()
        return end

    def _alone(self, tests: dict[str, float]) -> Fate:
        asked = self._folder / "asked-tests"
        asked.write_text("\n".join(tests))
        # One test that never ends must not use up what all of them may take.
        longest = int(PATIENCE * max(tests.values()))
        process = self._running = self._start(
            [*_PYTEST, f"@{asked}", "-x", f"--timeout={longest}"], {"PYTHONDONTWRITEBYTECODE": "1"}
        )
        seconds = int(LEAST_SECONDS + sum(tests.values()))
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (seconds, seconds))
        resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        try:
            code = process.wait(MUTANT_SECONDS)
        except subprocess.TimeoutExpired:
            return Fate.TIMED_OUT
        finally:
            process.kill()
            process.wait()
        if code in (-signal.SIGKILL, -signal.SIGXCPU):
            return Fate.TIMED_OUT
        return Fate.SURVIVED if code == 0 else Fate.KILLED

    def _start(self, command: list[str], given: dict[str, str], **more: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, cwd=self._folder, env=_environment() | given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more
        )


_FATES = {HELD: Fate.SURVIVED, ENDLESS: Fate.TIMED_OUT}


class Trees:
    """Copies of the tree in `folder`, as many as run at once."""

    def __init__(self, folder: Path, jobs: int) -> None:
        # What the changes start from, whatever becomes of the working tree meanwhile.
        untouched = folder / "untouched"
        untouched.mkdir()
        for name in COPIED:
            place = PROJECT_FOLDER / name
            if place.is_dir():
                shutil.copytree(place, untouched / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(place, untouched / name)
        self._reached = Reached(self._reach(untouched))
        self._trees = [Tree(shutil.copytree(untouched, folder / str(number))) for number in range(jobs)]
        self._free: queue.Queue[Tree] = queue.Queue()
        for tree in self._trees:
            self._free.put(tree)

    def stop(self) -> None:
        for tree in self._trees:
            tree.stop()

    def fate(self, mutant: Mutant) -> Fate:
        tests = self._reached.tests_of(mutant)
        if not tests:
            return Fate.UNREACHED
        tree = self._free.get()
        try:
            return tree.fate(mutant, tests, forked=not self._reached.runs_at_import(mutant))
        finally:
            self._free.put(tree)

    def _reach(self, tree: Path) -> dict[str, Any]:
        """Kept for the same code and tests: it takes a few minutes."""
        digest = hashlib.sha256()
        for file in sorted([*tree.glob("streams/domain/**/*.py"), *tree.glob("streams/stages/*.py"), *tree.glob(f"{TESTS}/**/*.py")]):
            digest.update(file.read_bytes())
        kept = PROOFS_FOLDER / "mutants.reach.json"
        if kept.is_file():
            document = json.loads(kept.read_text())
            if document["digest"] == digest.hexdigest():
                return dict(document)
        found = tree / "reach.json"
        run = subprocess.run(
            [*_PYTEST, TESTS], cwd=tree, env=_environment() | {"MUTANTS_REACH": str(found)}, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, f"the tests have to hold before anything is changed:\n{run.stdout[-4000:]}{run.stderr[-2000:]}"
        document = json.loads(found.read_text()) | {"digest": digest.hexdigest()}
        PROOFS_FOLDER.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(document))
        return dict(document)


_PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "tests.proofs.inside", "-p", "no:cacheprovider", "--hypothesis-seed=0"]


def _environment() -> dict[str, str]:
    data = os.environ.get("CDB_MARKET_DATA", str((PROJECT_FOLDER / "../shared/market-data").resolve()))
    return os.environ | {"CDB_MARKET_DATA": data}


class Mutants:
    """A pytest plugin that gives the test of `mutant_cases` its mutants, several of which run ahead of it."""

    def __init__(self, tier: Tier) -> None:
        self._tier = tier
        self._sample = sample(tier.seed, tier.count)
        self._excuses = excuses()
        self._fates: dict[Mutant, Future[Fate]] = {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "mutant" in metafunc.fixturenames:
            metafunc.parametrize("mutant", self._sample, ids=str)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        if not session.items:
            return (yield)
        with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(self._tier.jobs) as pool:
            trees = Trees(Path(folder), self._tier.jobs)
            # What an earlier, interrupted run has finished is no longer among them.
            for item in session.items:
                mutant = item.callspec.params["mutant"]  # type: ignore[attr-defined]
                self._fates[mutant] = pool.submit(trees.fate, mutant)
            try:
                return (yield)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                trees.stop()

    @pytest.fixture
    def fate(self, mutant: Mutant) -> Fate:
        found = self._fates[mutant].result()
        if found in {Fate.SURVIVED, Fate.UNREACHED} and Excuse(mutant.path, mutant.before, mutant.after) in self._excuses:
            found = Fate.EXCUSED
        self._tier.details[found.value] = self._tier.details.get(found.value, 0) + 1
        return found


def arguments(seed: int) -> list[str]:
    """Of pytest."""
    return ["tests/proofs/mutant_cases.py", "--timeout=0"]


def plugins(tier: Tier) -> list[object]:
    return [Mutants(tier)]

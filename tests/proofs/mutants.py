"""
Mutants: one small wrong change of a decision at a time; a test has to notice it.

Each runs in a copy of the tree in a temporary folder against the tests that reach its line, cheapest first, those named after its
module before all. A mutant that outlives them fails the tier, unless `excused_mutants.toml` says why no test can tell it apart.
"""

import ast
import hashlib
import json
import os
import queue
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.proofs.mutation import Mutant, mutants_of
from tests.proofs.tier import PROJECT_FOLDER, PROOFS_FOLDER, Tier

TARGETS = ("streams/domain/risk", "streams/domain/execution", "streams/domain/perpetuals", "streams/domain/portfolio.py")
TESTS = "tests/domain"
COUNT = 150  # an hour on two cores
EXCUSED_FILE = Path(__file__).parent / "excused_mutants.toml"
COPIED = ("streams", "schemas", "tests", "deploy", "pyproject.toml", "README.md")
TEST_SECONDS = 60
MUTANT_SECONDS = 900
# A mutant may loop for ever and keep what it makes.
MEMORY_BYTES = 4 << 30


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

    def tests_of(self, mutant: Mutant) -> list[str]:
        lines = self._files.get(mutant.path, {})
        names = {name for line in range(mutant.first, mutant.last + 1) for name in lines.get(str(line), ())}
        if "" in names or _is_cached(mutant):
            # Run at import or once for all: whoever uses the file may see it.
            names |= {name for tests in lines.values() for name in tests}
        module = Path(mutant.path).stem.rstrip("s")
        return sorted(names - {""}, key=lambda name: (module not in name.partition("::")[0], self._seconds[name], name))


def _is_cached(mutant: Mutant) -> bool:
    return "@lru_cache" in (PROJECT_FOLDER / mutant.path).read_text()


class Trees:
    """Copies of the tree in `folder`, as many as run at once."""

    def __init__(self, folder: Path, jobs: int) -> None:
        # What the changes start from, whatever becomes of the working tree meanwhile.
        self._untouched = folder / "untouched"
        self._untouched.mkdir()
        for name in COPIED:
            place = PROJECT_FOLDER / name
            if place.is_dir():
                shutil.copytree(place, self._untouched / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(place, self._untouched / name)
        self.reached = Reached(self._reach(self._untouched))
        self._running: set[subprocess.Popen[bytes]] = set()
        self._free: queue.Queue[Path] = queue.Queue()
        for number in range(jobs):
            self._free.put(shutil.copytree(self._untouched, folder / str(number)))

    def stop(self) -> None:
        """Ends what runs; its fates mean nothing then."""
        for process in tuple(self._running):
            process.kill()

    def fate(self, mutant: Mutant) -> Fate:
        tests = self.reached.tests_of(mutant)
        if not tests:
            return Fate.UNREACHED
        changed = mutant.applied((self._untouched / mutant.path).read_text())
        ast.parse(changed)  # What is no program would pass for noticed.
        tree = self._free.get()
        file = tree / mutant.path
        try:
            file.write_text(changed)
            return self._run(tree, tests)
        finally:
            # With its old time, which the compiled file beside it goes by.
            shutil.copy2(self._untouched / mutant.path, file)
            self._free.put(tree)

    def _run(self, tree: Path, tests: list[str]) -> Fate:
        asked = tree / "asked-tests"
        asked.write_text("\n".join(tests))
        process = subprocess.Popen(
            [*_PYTEST, f"@{asked}", "-x", f"--timeout={TEST_SECONDS}", "--hypothesis-seed=0"],
            cwd=tree, env=_environment() | {"PYTHONDONTWRITEBYTECODE": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._running.add(process)
        resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        try:
            code = process.wait(MUTANT_SECONDS)
        except subprocess.TimeoutExpired:
            return Fate.TIMED_OUT
        finally:
            process.kill()
            process.wait()
            self._running.discard(process)
        return Fate.SURVIVED if code == 0 else Fate.KILLED

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


_PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "tests.proofs.inside", "-p", "no:cacheprovider"]


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

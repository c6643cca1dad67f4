"""All that the stages put out and remember is the same under every hash seed: nothing hangs on the order of a set."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.seeded_runs import digest


class Answering:
    """A process with a hash seed of its own, which answers a run's seed with its digest."""

    def __init__(self, hash_seed: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.domain.seeded_runs"], env=os.environ | {"PYTHONHASHSEED": hash_seed}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )

    def ask(self, seed: int) -> None:
        assert self._process.stdin is not None
        print(seed, file=self._process.stdin, flush=True)

    def answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        """It ends with its input."""
        self._process.communicate()


@pytest.fixture(scope="module")
def others() -> Iterator[list[Answering]]:
    processes = [Answering(hash_seed) for hash_seed in ("0", "4242")]
    yield processes
    for process in processes:
        process.end()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**48))
def test_outputs_and_states_of_every_stage_are_the_same_under_every_hash_seed(others: list[Answering], seed: int) -> None:
    for other in others:
        other.ask(seed)
    own = digest(seed)
    assert [other.answer() for other in others] == [own, own]

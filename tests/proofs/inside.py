"""
A pytest plugin (`-p tests.proofs.inside`) of runs inside a copy of the tree: no example is too slow there, and `MUTANTS_REACH` names
the file that is to say which lines each test reached and how long it took.
"""

import json
import os
import time
from collections.abc import Generator
from pathlib import Path

import coverage
import pytest
from hypothesis import Phase, settings

import streams

assert Path(streams.__file__).is_relative_to(Path.cwd()), "the copy is what is tested"

# Several run at once: an example that is late must not pass for one that found something. One that did is enough, however large.
settings.register_profile("inside", deadline=None, database=None, phases=(Phase.explicit, Phase.generate))
settings.load_profile("inside")


class Reach:
    """`lines`: test to file to lines; what ran at import stands under the empty name."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._seconds: dict[str, float] = {}
        self._coverage = coverage.Coverage(data_file=None, source=["streams/domain"], config_file=False)
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._coverage.switch_context(item.nodeid)
        began = time.monotonic()
        try:
            return (yield)
        finally:
            self._seconds[item.nodeid] = time.monotonic() - began
            self._coverage.switch_context("")

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        files = {
            str(Path(file).relative_to(Path.cwd())): {line: sorted(names) for line, names in data.contexts_by_lineno(file).items()}
            for file in sorted(data.measured_files())
        }
        self._target.write_text(json.dumps({"seconds": self._seconds, "files": files}))


def pytest_configure(config: pytest.Config) -> None:
    target = os.environ.get("MUTANTS_REACH")
    if target:
        config.pluginmanager.register(Reach(Path(target)))

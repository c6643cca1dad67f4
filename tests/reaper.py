"""
Ends a test run's stack when the run is gone, however it went: passed, interrupted or killed.

Its standard input is a pipe that only the run holds open. When that closes, the stack and its data folder go.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from streams.operate.stack import Stack, StackSettings

PROJECT_FOLDER = Path(__file__).resolve().parents[1]
TEARDOWN_SECONDS_MAX = 60


@contextlib.contextmanager
def reaped_stack(**changes: object) -> Iterator[Stack]:
    """A stack on free ports in a folder of its own, nothing started yet; all of it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="cdb-test-"))
    # Postgres runs as a user of its own where the tests run as root, and must get through to its data.
    folder.chmod(0o711)
    settings = StackSettings.for_test(folder / "data").model_copy(update=changes)
    reaper = subprocess.Popen(
        [sys.executable, "-m", "tests.reaper", settings.model_dump_json()],
        cwd=PROJECT_FOLDER,
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield Stack(settings)
    finally:
        assert reaper.stdin is not None
        reaper.stdin.close()
        reaper.wait(TEARDOWN_SECONDS_MAX)


def main() -> None:
    """Waits for the end of the run, then cleans up."""
    settings = StackSettings.model_validate_json(sys.argv[1])
    sys.stdin.read()
    Stack(settings).down(delete_data=True)
    shutil.rmtree(settings.data_folder.parent, ignore_errors=True)


if __name__ == "__main__":
    main()

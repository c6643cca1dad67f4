"""The first commit that decides differently, among harmless ones and one that cannot run at all."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from streams.cli.__main__ import run
from tests.golden.corpus import FOLDER

ROOT = Path(__file__).parents[2]
SESSION = "golden-crash"
FEES = "streams/domain/execution/fees.py"
ARCHIVE = ["--session", SESSION, "--archive", str(FOLDER / SESSION)]


class Repository:
    """The project's code in a repository of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in ("streams", "schemas"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        self._git("init", "-q")

    def commit(self, subject: str, path: str, old: str = "", new: str = "") -> str:
        file = self.folder / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1) if old else text + new)
        self._git("add", "-A")
        self._git("-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", subject)
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *words: str) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return subprocess.run(["git", *words], cwd=self.folder, env=environment, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("repository"))


def test_first_commit_that_changes_a_decision_is_found_and_what_cannot_run_is_passed_over(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    good = repository.commit("Begin", FEES, new="\n# begin\n")
    repository.commit("Say more", FEES, new="# more\n")
    broken = repository.commit("Break the syntax", FEES, new="def (\n")
    doubled = "FeeSchedule.fee = lambda own, notional, _: notional * 2\n"
    culprit = repository.commit("Mend it with double fees", FEES, old="def (\n", new=doubled)
    bad = repository.commit("Say less", FEES, new="# less\n")
    asked = ["--good", good, "--bad", bad, "--repository", str(repository.folder), "--json"]
    assert run(["replay", "bisect", *ARCHIVE, *asked], dict(os.environ)) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["first_bad"]["commit"], found["first_bad"]["subject"]) == (culprit, "Mend it with double fees")
    assert "order_results" in found["first_bad"]["words"]
    assert [one["commit"] for one in found["passed_over"]] == [broken]
    assert "SyntaxError" in found["passed_over"][0]["words"]
    assert found["last_good"]["subject"] == "Say more"
    worktrees = subprocess.run(["git", "worktree", "list"], cwd=repository.folder, capture_output=True, text=True, check=True).stdout
    assert len(worktrees.splitlines()) == 1
    swapped = ["--good", bad, "--bad", good, "--repository", str(repository.folder)]
    assert run(["replay", "bisect", *ARCHIVE, *swapped], dict(os.environ)) == 2
    assert "--good must be an ancestor of --bad" in capsys.readouterr().err
    assert run(["replay", "bisect", *ARCHIVE, "--good", "nothing", "--repository", str(repository.folder)], dict(os.environ)) == 2
    assert "revision must be one of" in capsys.readouterr().err

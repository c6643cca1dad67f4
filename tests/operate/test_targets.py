"""The files that tell Prometheus whom to ask: there while a session runs, and not longer."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from streams.operate.targets import asked

NOBODY = 2**22 + 1  # above Linux's largest process id


def test_session_is_asked_while_it_runs(tmp_path: Path) -> None:
    folder = tmp_path / "targets"
    with asked(folder, {"feed": 20_001, "risk-0": 20_002, "risk-1": 20_003}, pid=os.getpid()):
        [path] = folder.glob("*.json")
        assert json.loads(path.read_text()) == [
            {"targets": ["127.0.0.1:20001"], "labels": {"job": "feed"}},
            {"targets": ["127.0.0.1:20002"], "labels": {"job": "risk"}},
            {"targets": ["127.0.0.1:20003"], "labels": {"job": "risk"}},
        ]
    assert list(folder.iterdir()) == []


def test_session_that_fails_is_not_asked_any_more(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), asked(tmp_path, {"feed": 20_001}, pid=os.getpid()):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_session_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    left, living, foreign = (tmp_path / f"{name}.json" for name in (NOBODY, os.getppid(), "mine"))
    for path in (left, living, foreign):
        path.write_text("[]")
    with asked(tmp_path, {"feed": 20_001}, pid=os.getpid()):
        assert set(tmp_path.glob("*.json")) == {living, foreign, tmp_path / f"{os.getpid()}.json"}

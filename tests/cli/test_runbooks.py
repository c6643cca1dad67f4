"""Every command that README and runbooks tell people to run is one: its name and options are there. Running all would need a cluster."""

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest

from streams.cli.__main__ import run

PROJECT = Path(__file__).parents[2]
TEXTS = (PROJECT / "README.md", PROJECT / "deploy" / "README.md", *sorted((PROJECT / "deploy" / "runbooks").glob("*.md")))


def commands() -> list[str]:
    """Every `cdb …` within a sentence, and every line of a shell block that begins with one, on one line each."""
    found = set()
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        blocks = re.findall(r"^```(?:sh|powershell)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        sentences = re.findall(r"(?<!`)`(cdb [a-z][^`|…]*)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
        lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.startswith("cdb ")]
        found |= {" ".join(one.split()) for one in (*sentences, *(part for line in lines for part in line.split("#")[0].split("&& ")))}
    return sorted(one for one in found if one.startswith("cdb "))


@pytest.mark.parametrize("command", commands())
def test_command_that_people_are_told_to_run_is_one(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    words = shlex.split(command)[1:]
    name = list(takewhile(lambda word: re.fullmatch(r"[a-z][a-z-]*", word), words))
    assert run([*name, "--help"], {}) == 0, command
    told = capsys.readouterr().out
    for option in (word for word in words if word.startswith("--")):
        assert re.search(rf"{option}\b", told), f"{command}: {option}"


def test_texts_tell_of_many_commands_and_each_runbook_of_some() -> None:
    assert len(commands()) > 60
    for path in TEXTS:
        assert "cdb " in path.read_text(encoding="utf-8"), path

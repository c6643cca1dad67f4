"""Questions to a log whose broker goes away while they are asked: the same answer a little later, or none."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from streams.cli.__main__ import run
from streams.domain.records import Order
from streams.errors import LogError
from streams.log.interface import Partition, Reader
from streams.log.memory import MemoryLog
from streams.log.read_only import ReadOnlyLog
from streams.operate.runtime import STAGES
from streams.replay.questions.chain import why
from streams.replay.questions.player import Player
from streams.replay.questions.state import state_at
from streams.replay.questions.whynot import whynot
from streams.replay.recorded.patience import PatientLog
from streams.replay.recorded.recorded import Recorded
from tests.golden.corpus import FOLDER
from tests.replay.recordings import CODEC, found, recorded, refused
from tests.replay.test_verify import Flaky, FrozenWall

FALLS = (1, 2, 5, 9, 14, 30, 60)


class Opening(ReadOnlyLog):
    """A log whose broker is away at some openings of readers, and back at the next question."""

    def __init__(self, log: MemoryLog, falls: tuple[int, ...]) -> None:
        super().__init__(log)
        self.opened, self.falls = 0, falls

    def reader(self, positions: Mapping[Partition, int]) -> Reader:
        self.opened += 1
        if self.opened in self.falls:
            raise LogError("broker must answer within 10 s, was away")
        return super().reader(positions)


def asked(log: object, said: list[str]) -> Recorded:
    patient = PatientLog(log, FrozenWall(), said.append)  # type: ignore[arg-type]
    return Recorded.of(patient, CODEC, refused().settings, STAGES)


@pytest.mark.parametrize("kind", ["away while it reads", "away when it begins to read"])
def test_every_question_has_the_same_answer_although_the_broker_was_away(kind: str) -> None:
    live, whole = refused(), recorded(refused())
    order = next(one for one in found(live, "orders", Order) if not one.approved)
    at, played = order.time, 0
    answers = {
        "state": lambda one: state_at(one, at), "why": lambda one: why(one, order.event_id),
        "whynot": lambda one: whynot(one, order.event_id), "run": lambda one: list(Player(one, at - 2_000_000, at).play()),
    }  # fmt: skip
    for question, answer in answers.items():
        due = answer(whole)
        for fall in FALLS:
            said: list[str] = []
            log = Flaky(live.log, (fall,), away=3) if kind == "away while it reads" else Opening(live.log, (fall,))
            assert answer(asked(log, said)) == due, f"{question}, {kind} {fall}"
            played += bool(said)
    assert played > 2 * len(FALLS), "the broker was away while questions were asked"


def test_question_to_a_log_that_stays_away_ends_with_code_2_and_no_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A truncated archive is a log that cannot be read to the end."""
    name = "golden-spot"
    for path in (FOLDER / name).rglob("*"):
        if path.is_file():
            target = tmp_path / path.relative_to(FOLDER / name)
            target.parent.mkdir(parents=True, exist_ok=True)
            whole = path.read_bytes()
            target.write_bytes(whole[: len(whole) // 2] if path.parent.name.endswith("market_data") else whole)
    for question in (["state"], ["run", "--speed", "max"], ["report", "--html", str(tmp_path / "out.html")]):
        assert run(["replay", *question, "--session", name, "--archive", str(tmp_path)], {}) == 2
        said = capsys.readouterr()
        assert "market_data" in said.err and "equity" not in said.out and "played to" not in said.out
    assert not (tmp_path / "out.html").exists()


def test_question_to_an_archive_imports_no_client_that_it_does_not_need() -> None:
    """Each takes a while; `state` of a large session is to be there in two seconds."""
    program = (
        "import os, sys\nfrom streams.cli.__main__ import run\n"
        f"code = run(['replay', 'state', '--session', 'golden-spot', '--archive', {str(FOLDER / 'golden-spot')!r}], os.environ)\n"
        "print(code, sorted({'faust', 'aiohttp', 'httpx', 'psycopg', 'plotly', 'jinja2', 'cryptography', 'pyarrow'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"

"""Every decision of the recorded sessions is what it was; where that changes on purpose: `python -m tests.golden --reason "…"`."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from streams.domain.records import LedgerKind
from streams.log.layout import Layout
from streams.operate import sessions
from streams.operate.runtime import STAGES
from streams.replay.checkpoints.checkpoint import damages
from streams.replay.summary import records_of
from streams.replay.verification.verify import verify
from tests.golden import __main__ as recording
from tests.golden.corpus import FOLDER, archived, digests_of, goldens, recorded_digests
from tests.golden.play import play
from tests.golden.pythons import digests_by, interpreters

KINDS = tuple(STAGES.values())
BYTES_MAX = 2_000_000
ON_PURPOSE = 'decisions changed; where that is on purpose: python -m tests.golden --reason "…"'


@pytest.mark.parametrize("session", goldens())
def test_recorded_session_replays_to_the_same_bytes(session: str) -> None:
    assert damages(FOLDER / session, session) == []
    log, codec = archived(session)
    settings = sessions.read(log, codec, session)
    verdict = verify(log, settings, codec, KINDS)
    assert verdict.equal, f"{ON_PURPOSE}\n" + "\n".join(map(str, verdict.divergences))
    assert digests_of(log, codec, Layout.of(settings)) == recorded_digests()[session]


@pytest.mark.parametrize("session", goldens())
def test_session_played_anew_decides_what_was_recorded(session: str) -> None:
    """Feed, hosts, deaths and rebalances included; the replay of a record could not tell."""
    played = play(*goldens()[session])
    changes = recording.changed(
        {session: recorded_digests()[session]}, {session: digests_of(played.log, played.codec, Layout.of(played.settings))}
    )
    assert not changes, f"{ON_PURPOSE}\n" + "\n".join(changes)


def test_corpus_is_small_and_holds_every_kind_of_trouble() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < BYTES_MAX
    found = recorded_digests()
    assert set(found) == set(goldens())
    assert all(session["orders"] and session["order_results"] for session in found.values())
    assert values("golden-crash", "ledger_entries", "kind") >= {LedgerKind.LIQUIDATION, LedgerKind.FUNDING}
    assert values("golden-halts", "alerts", "code") >= {"COMMAND_TAKEN", "COMMAND_REFUSED"}


def values(session: str, topic: str, field: str) -> set[object]:
    log, codec = archived(session)
    return {getattr(one, field) for one in records_of(log, Layout.of(sessions.read(log, codec, session)), codec, topic)}


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_digests_are_the_same_under_any_hash_seed(seed: str) -> None:
    assert digests_by(sys.executable, {**os.environ, "PYTHONHASHSEED": seed}) == recorded_digests()


def test_digests_are_the_same_under_every_interpreter_that_can_run_them() -> None:
    """`make test-pythons` makes those able that are found, and lists them."""
    for interpreter in interpreters():
        if interpreter.ready and interpreter.path != sys.executable:
            assert digests_by(interpreter.path, dict(os.environ)) == recorded_digests(), interpreter


def test_changed_decision_is_recorded_only_with_a_reason_which_the_changelog_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = Path(shutil.copytree(FOLDER, tmp_path / "corpus"))
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text("# Changelog\n\n## 2.0\n\n- One.\n  More of it.\n\nKnown limits:\n\n- None.\n")
    digests = {"golden-crash": recorded_digests()["golden-crash"]}
    digests["golden-crash"]["orders"][1] = "another"
    (corpus / "digests.json").write_text(json.dumps(digests))
    place = recording.Place(corpus, changelog, ("golden-crash",))
    assert recording.main([], place) == 1
    assert "golden-crash orders: " in capsys.readouterr().out
    assert json.loads((corpus / "digests.json").read_text()) == digests
    assert recording.main(["--reason", "orders round half to even"], place) == 0
    assert json.loads((corpus / "digests.json").read_text()) == {"golden-crash": recorded_digests()["golden-crash"]}
    told = "- Decisions changed (golden sessions recorded anew): orders round half to even.\n"
    assert changelog.read_text() == f"# Changelog\n\n## 2.0\n\n- One.\n  More of it.\n{told}\nKnown limits:\n\n- None.\n"
    assert recording.main([], place) == 0

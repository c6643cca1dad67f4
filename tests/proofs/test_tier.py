"""A tier counts honestly and goes on where it was interrupted."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.kafka.story import PARTS, PROCESSES
from tests.proofs.soak import ALTERATIONS, CASES, DAYS, KILLS, SIMULATIONS, VICTIMS, WORKERS, all_cases
from tests.proofs.tier import Tier

# Each case notes that it ran; `stop` holds the name of the one that Ctrl-C hits.
CASES_FILE = """
from pathlib import Path
import pytest
HERE = Path(__file__).parent

@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_case(name):
    with (HERE / "ran").open("a") as ran:
        ran.write(name)
    if (HERE / "stop").read_text() == name:
        raise KeyboardInterrupt
    if (HERE / "skip").read_text() == name:
        pytest.skip("not here")
    assert (HERE / "fail").read_text() != name
"""


def run_tier(folder: Path, *, seed: int = 1, stop: str = "", skip: str = "", fail: str = "") -> tuple[int, Tier]:
    # A name of its own: this process imports each test module once.
    cases = folder / f"cases_of_{folder.name}.py"
    cases.write_text(CASES_FILE)
    for name, text in {"stop": stop, "skip": skip, "fail": fail}.items():
        (folder / name).write_text(text)
    with Tier("demo", seed=seed, count=3, folder=folder) as tier:
        pytest.main([str(cases), f"--rootdir={folder}", "-p", "no:terminal", "-p", "no:cacheprovider"], plugins=[tier])
    return tier.finish(), tier


def test_tier_whose_cases_all_hold_ends_with_0_and_says_what_it_did(tmp_path: Path) -> None:
    code, _ = run_tier(tmp_path)
    outcome = json.loads((tmp_path / "demo.json").read_text())
    assert code == 0
    assert {name: outcome[name] for name in ("asked", "run", "failed", "seed")} == {"asked": 3, "run": 3, "failed": 0, "seed": 1}
    assert outcome["commit"]
    assert outcome["duration"] > 0
    assert not (tmp_path / "demo.state.json").exists()


def test_failed_case_is_named_with_its_report_and_ends_with_1(tmp_path: Path) -> None:
    code, tier = run_tier(tmp_path, fail="b")
    assert code == 1
    [(case, text)] = tier.failures.items()
    assert case.endswith("[b]")
    assert "AssertionError" in text


def test_skipped_case_did_not_run_and_ends_with_1(tmp_path: Path) -> None:
    code, tier = run_tier(tmp_path, skip="c")
    assert (code, tier.asked, tier.run) == (1, 3, 2)


def test_interrupted_tier_goes_on_where_it_was_and_another_seed_begins_anew(tmp_path: Path) -> None:
    code, tier = run_tier(tmp_path, fail="a", stop="b")
    assert (code, tier.asked, tier.run) == (1, 3, 1)
    code, tier = run_tier(tmp_path, seed=2, stop="b")
    assert (tmp_path / "ran").read_text() == "abab"
    code, tier = run_tier(tmp_path, seed=2)
    assert (code, tier.asked, tier.run) == (0, 3, 3)
    assert (tmp_path / "ran").read_text() == "ababbc"


def test_soak_holds_ten_kills_of_each_and_the_rest_and_any_first_part_of_it_holds_every_kind() -> None:
    cases = all_cases()
    assert len(cases) == len(set(cases)) == CASES == 2 * KILLS + WORKERS + SIMULATIONS + ALTERATIONS + DAYS + 1
    kills = Counter(victim for case in cases if case.test == "kills" for victim in VICTIMS[case.subject])
    assert kills == dict.fromkeys((*PROCESSES, *PARTS), 10)
    assert {case.test for case in cases[: CASES // 2 + 1]} == {"kills", "workers", "simulation", "alteration", "outage", "exchange"}

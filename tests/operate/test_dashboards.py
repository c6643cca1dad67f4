"""Dashboards as files: equal to the code, complete, and readable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from streams.cli.__main__ import run
from streams.operate.dashboards import written

BOARDS = {name: json.loads(text) for name, text in written.documents().items()}


def test_files_are_as_the_code_says() -> None:
    """Where this fails: `cdb dashboards`."""
    assert written.differences() == []


def test_files_that_differ_are_named_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written.write(tmp_path)
    assert run(["dashboards", "--check", "--folder", str(tmp_path)], {}) == 0
    (tmp_path / "paper.json").write_text("{}")
    (tmp_path / "old.json").write_text("{}")
    (tmp_path / "risk.json").unlink()
    capsys.readouterr()
    assert run(["dashboards", "--check", "--folder", str(tmp_path)], {}) == 1
    assert capsys.readouterr().err.splitlines() == [
        "risk.json is not there", "paper.json is not as the code says", "old.json is of no board",
    ]  # fmt: skip
    assert run(["dashboards", "--folder", str(tmp_path)], {}) == 0
    assert written.differences(tmp_path) == []


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS.keys())
def test_panels_explain_themselves_and_do_not_overlap(board: dict) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        assert panel["title"] and len(panel["description"]) > 10, panel["title"]
        assert panel["targets"] and all(target["refId"] for target in panel["targets"])
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not taken & cells, f"{panel['title']} lies over another panel"
        taken |= cells
    titles = [panel["title"] for panel in board["panels"]]
    assert len(set(titles)) == len(titles)
    assert len({panel["id"] for panel in board["panels"]}) == len(titles)


def test_paper_trading_shows_what_the_earlier_system_showed() -> None:
    titles = {panel["title"] for panel in BOARDS["paper.json"]["panels"]}
    assert titles >= {
        "Equity curve", "Daily drawdown", "Total exposure", "Open positions", "Total PnL", "Daily PnL", "Trades per day", "Win rate",
        "Recent trades",
    }  # fmt: skip


def test_every_query_asks_a_source_that_grafana_is_given() -> None:
    given = yaml.safe_load((written.FOLDER.parent / "provisioning" / "datasources" / "cdb.yaml").read_text())["datasources"]
    sources = {(one["type"], one["uid"]) for one in given}
    for board in BOARDS.values():
        for asking in [*board["panels"], *board["templating"].get("list", [])]:
            assert (asking["datasource"]["type"], asking["datasource"]["uid"]) in sources
    assert not any("password" in one.get("secureJsonData", {}) and "$__file" not in one["secureJsonData"]["password"] for one in given)

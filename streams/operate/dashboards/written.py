"""All boards, and where their files lie."""

from pathlib import Path

import schemas
from streams.operate.dashboards.boards import Board
from streams.operate.dashboards.feed import feed
from streams.operate.dashboards.lag import lag
from streams.operate.dashboards.paper import paper
from streams.operate.dashboards.pipeline import pipeline
from streams.operate.dashboards.risk import risk
from streams.operate.dashboards.system import system

FOLDER = schemas.FOLDER.parent / "deploy" / "grafana" / "dashboards"


def boards() -> list[Board]:
    """Every board, the one to begin with first."""
    return [paper(), risk(), pipeline(), lag(), feed(), system()]


def documents() -> dict[str, str]:
    """Each board's JSON by its file's name."""
    return {f"{board.uid.removeprefix('cdb-')}.json": board.document() for board in boards()}


def differences(folder: Path = FOLDER) -> list[str]:
    """What of the files is not as the code says: one line for each."""
    wanted = documents()
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    missing = [f"{name} is not there" for name in wanted if name not in there]
    other = [f"{name} is not as the code says" for name, text in wanted.items() if name in there and there[name] != text]
    return missing + other + [f"{name} is of no board" for name in sorted(there.keys() - wanted.keys())]


def write(folder: Path = FOLDER) -> list[Path]:
    """The files that were not as the code says, written; files of no board are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = documents()
    changed = []
    for path in folder.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
            changed.append(path)
    for name, text in wanted.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            changed.append(path)
    return changed

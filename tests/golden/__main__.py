"""
`python -m tests.golden --reason "…"`: records the corpus anew, where decisions have changed on purpose, and says so in the changelog.

Without a reason it says what would change and exits with 1.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from streams.log.layout import Layout
from tests.golden.corpus import DIGESTS, FOLDER, Digests, digests_of, goldens, record
from tests.golden.play import play

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"
HEADING = "## "
WORDS_MIN = 3


class Place(NamedTuple):
    """Where the corpus lies, the changelog that tells of it, and the sessions it holds."""

    corpus: Path = FOLDER
    changelog: Path = CHANGELOG
    sessions: tuple[str, ...] = tuple(goldens())


def main(arguments: list[str] | None = None, place: Place = Place()) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("--reason", help="why decisions changed, for people who use the program")
    chosen = parser.parse_args(arguments)
    played = {name: play(*golden) for name, golden in goldens().items() if name in place.sessions}
    found = {name: digests_of(one.log, one.codec, Layout.of(one.settings)) for name, one in played.items()}
    digests = place.corpus / DIGESTS
    before = json.loads(digests.read_text(encoding="utf-8")) if digests.exists() else {}
    changes = changed(before, found)
    print("\n".join(changes) or "no decision has changed")
    if not changes:
        return 0
    if chosen.reason is None or len(chosen.reason.split()) < WORDS_MIN:
        print('recorded nothing: say why with --reason "…", in a few words')
        return 1
    shutil.rmtree(place.corpus, ignore_errors=True)
    for name, one in played.items():
        record(one, place.corpus / name)
    digests.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    place.changelog.write_text(with_reason(place.changelog.read_text(encoding="utf-8"), chosen.reason), encoding="utf-8")
    return 0


def changed(before: dict[str, Digests], now: dict[str, Digests]) -> list[str]:
    """One line for each topic whose records are not what they were."""
    lines = []
    for session in sorted({*before, *now}):
        old, new = before.get(session, {}), now.get(session, {})
        for topic in sorted({*old, *new}):
            if old.get(topic) != new.get(topic):
                counts = [one.get(topic, [0])[0] for one in (old, new)]
                lines.append(f"{session} {topic}: {counts[0]} records before, {counts[1]} now, other bytes")
    return lines


def with_reason(changelog: str, reason: str) -> str:
    """The changelog with a line at the end of its newest version's first list."""
    lines = changelog.split("\n")
    heading = next(number for number, line in enumerate(lines) if line.startswith(HEADING))
    first = next(number for number in range(heading + 1, len(lines)) if lines[number].startswith("- "))
    end = next(number for number in range(first, len(lines) + 1) if number == len(lines) or not lines[number].strip())
    return "\n".join([*lines[:end], f"- Decisions changed (golden sessions recorded anew): {reason.rstrip('.')}.", *lines[end:]])


if __name__ == "__main__":
    sys.exit(main())

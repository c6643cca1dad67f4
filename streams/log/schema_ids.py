"""
What each id in a wire header stands for: a record and the version of its schema that wrote what follows.

Every registry gives ids anew, so what is said of a record elsewhere (in checkpoints, between two logs) goes by the schema's identity:
the record's name for its first version, with the fingerprint for the later ones. A session's own record keeps id, version and
fingerprint of every version there was; sessions of before there were versions kept the one id, which is their first version's.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import schemas
from streams.contract.lock import fingerprint
from streams.domain.records import RECORDS

VERSION_STEP = 1000


class SchemaIds(NamedTuple):
    """Which id stands in the header for each record, and what every id was written with."""

    ids: Mapping[str, int]  # record name -> id that we write
    writers: Mapping[int, tuple[str, str]]  # id -> (record name, writer's schema as JSON text), older versions included

    @classmethod
    def offline(cls) -> "SchemaIds":
        """
        Ids for logs that no registry knows (memory, simulation): 1..n in the order of `RECORDS`, and as many thousands more as a
        version has before it.
        """
        ids, writers = {}, {}
        for place, name in enumerate(RECORDS, start=1):
            for version in schemas.released(name):
                ids[name] = place + (version.number - 1) * VERSION_STEP
                writers[ids[name]] = (name, version.text)
        return cls(ids, writers)

    @classmethod
    def of_text(cls, text: str) -> "SchemaIds":
        """
        The inverse of `text`, as far as this program knows the versions; also of what sessions of before there were versions keep.

        Raises: ValueError where it is no such text.
        """
        ids: dict[str, int] = {}
        writers: dict[int, tuple[str, str]] = {}
        for name, rows in _rows(text).items():
            for number, print_ in rows:
                known = [version for version in schemas.released(name) if print_ in ("", _fingerprint(version.text))]
                if known:
                    ids[name] = number
                    writers[number] = (name, known[0].text)
        return cls(ids, writers).completed()

    def text(self) -> str:
        """As a session's record keeps it: JSON, by record's name rows of id, version (null: none of this program's) and fingerprint."""
        rows: dict[str, list[tuple[int, int | None, str]]] = {name: [] for name in self.ids}
        # What is written stands last.
        for number, (name, text) in sorted(self.writers.items(), key=lambda one: (self.ids.get(one[1][0]) == one[0], one[0])):
            rows.setdefault(name, []).append((number, _version(name, text), _fingerprint(text)))
        return json.dumps(rows, sort_keys=True, separators=(",", ":"))

    def completed(self) -> "SchemaIds":
        """The same with an id that nobody has for each record that is not among them: a session can be older than a record."""
        free = max([0, *self.writers, *self.ids.values()])
        missing = {name: free + place for place, name in enumerate((one for one in RECORDS if one not in self.ids), start=1)}
        texts = {number: (name, newest_text(name)) for name, number in missing.items()}
        return SchemaIds({**self.ids, **missing}, {**self.writers, **texts})


def identity(name: str, text: str) -> str:
    """What a schema is called wherever ids are not the same: the record's name, and the fingerprint of any but its first version."""
    found = _fingerprint(text)
    return name if found == _fingerprint(schemas.released(name)[0].text) else f"{name} {found}"


def is_covered(ids: SchemaIds, text: str) -> bool:
    """Whether a session's record names everything that may be written or read with `ids`. Raises: ValueError as `SchemaIds.of_text`."""
    kept = {(name, number, print_) for name, rows in _rows(text).items() for number, print_ in rows}
    return all(
        (name, number, _fingerprint(written)) in kept or (_version(name, written) == 1 and (name, number, "") in kept)
        for number, (name, written) in ids.writers.items()
    )


def ids_of(text: str, name: str) -> list[int]:
    """Every id that a session's record gives a record. Raises: ValueError as `SchemaIds.of_text`."""
    return [number for number, _ in _rows(text).get(name, [])]


def newest_text(name: str) -> str:
    """The schema that this program writes a record with where nothing else is said."""
    return schemas.released(name)[-1].text


def _rows(text: str) -> dict[str, list[tuple[int, str]]]:
    """By record's name: id and fingerprint ("": the first version's) of each version; without records that this program does not know."""
    kept = json.loads(text)
    if not isinstance(kept, dict):
        raise ValueError(f"schema ids must be a JSON object, was {text[:40]}")
    found = {}
    for name, rows in kept.items():
        if name not in RECORDS:
            continue
        if isinstance(rows, int):
            found[name] = [(rows, "")]
        elif isinstance(rows, list) and all(
            isinstance(row, list) and len(row) == 3 and isinstance(row[0], int) and isinstance(row[2], str) for row in rows
        ):
            found[name] = [(row[0], row[2]) for row in rows]
        else:
            raise ValueError(f"schema ids of {name} must be rows of id, version and fingerprint, was {rows}")
    return found


def _version(name: str, text: str) -> int | None:
    found = _fingerprint(text)
    return next((each.number for each in schemas.released(name) if _fingerprint(each.text) == found), None)


@lru_cache(maxsize=1 << 10)
def _fingerprint(text: str) -> str:
    return fingerprint(text)

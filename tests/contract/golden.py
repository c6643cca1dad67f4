"""
Wire bytes of every released version of every record: `schemas/golden/<Record>/<version>.hex`, as the version's sample gave them.

They never change: logs and archives hold their like. A released version gets its file by `python -m tests.contract.golden`, which
touches none that is there.
"""

from pathlib import Path
from textwrap import fill

import schemas
from streams.domain.records import RECORDS, Record
from streams.log.codec import Codec
from tests.contract.samples import SAMPLES

FOLDER = schemas.FOLDER / "golden"


def golden_file(release: schemas.Release) -> Path:
    return FOLDER / release.record / f"{release.number}.hex"


def golden_of(release: schemas.Release) -> bytes:
    """The committed wire bytes of a version, under its id of `Codec.offline`."""
    return bytes.fromhex(golden_file(release).read_text())


def golden(kind: type[Record]) -> bytes:
    """Those of the newest version."""
    return golden_of(schemas.released(kind.__name__)[-1])


def write_missing() -> None:
    """Writes the file of each record's newest version where there is none."""
    codec = Codec.offline()
    for kind, record in SAMPLES.items():
        path = golden_file(schemas.released(kind.__name__)[-1])
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_text(fill(codec.wire(record).hex(), width=96) + "\n")


RELEASES = [release for record in RECORDS for release in schemas.released(record)]


if __name__ == "__main__":
    write_missing()

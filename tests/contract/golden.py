"""
The wire bytes of every sample as they were first written: `schemas/golden/<Record>.hex`.

They change only when a schema does, on purpose: `python -m tests.contract.golden` writes them anew, and the difference is
reviewed like code, since every log and archive out there holds the old bytes.
"""

from textwrap import fill

import schemas
from streams.domain.records import Record
from streams.log.codec import Codec
from tests.contract.samples import SAMPLES

FOLDER = schemas.FOLDER / "golden"


def golden(kind: type[Record]) -> bytes:
    """The committed wire bytes of a type's sample, with the ids of `Codec.offline`."""
    return bytes.fromhex((FOLDER / f"{kind.__name__}.hex").read_text())


def write_all() -> None:
    """Replaces every file."""
    codec = Codec.offline()
    for kind, record in SAMPLES.items():
        (FOLDER / f"{kind.__name__}.hex").write_text(fill(codec.wire(record).hex(), width=96) + "\n")


if __name__ == "__main__":
    write_all()

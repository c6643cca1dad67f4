"""What every record begins with, read without the rest: its id and its time."""

from typing import NamedTuple

from streams.domain.records import Record
from streams.errors import DecodeError
from streams.log.codec import HEADER_LENGTH
from streams.log.varint import long_at

# Between event_id and time stand causation_id, correlation_id and session, in every version: `cdb schemas check` refuses others.
_TEXTS_BETWEEN = Record.__struct_fields__.index("time") - 1


class Head(NamedTuple):
    """A record's id and logical time in µs."""

    event_id: str
    time: int


def head_of(value: bytes) -> Head:
    """The head of a record's wire bytes. Raises: DecodeError where they hold none."""
    try:
        name, at = _text(value, HEADER_LENGTH)
        for _ in range(_TEXTS_BETWEEN):
            _, at = _text(value, at)
        time, _ = long_at(value, at)
        return Head(name.decode(), time)
    except (IndexError, ValueError) as error:
        raise DecodeError(f"bytes must begin with a record's id, causes, session and time: {error}") from error


def _text(value: bytes, at: int) -> tuple[bytes, int]:
    """The text that begins at `at`, and where it ends."""
    length, start = long_at(value, at)
    end = start + length
    if length < 0 or end > len(value):
        raise ValueError(f"a text must end within {len(value)} bytes")
    return value[start:end], end

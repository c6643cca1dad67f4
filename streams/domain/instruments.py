"""
What is known of each instrument at a time: versions with validity dates, newest wins.

Versions that a later one has replaced by the time it arrives are forgotten; nobody asks about the past.
"""

import msgspec

from streams.domain.records import Instrument


class Instruments(msgspec.Struct):
    """`versions` of each symbol by rising `valid_from`."""

    versions: dict[str, list[Instrument]] = {}


def on_instrument(state: Instruments, record: Instrument) -> None:
    """Adds a version, or replaces the one of the same `valid_from`."""
    versions = [v for v in state.versions.get(record.symbol, ()) if v.valid_from != record.valid_from]
    versions.append(record)
    versions.sort(key=lambda version: version.valid_from)
    begun = [place for place, version in enumerate(versions) if version.valid_from <= record.time]
    state.versions[record.symbol] = versions[begun[-1] if begun else 0 :]


def instrument_at(state: Instruments, symbol: str, time: int) -> Instrument | None:
    """The version valid at `time` (µs); None for an unknown symbol, or before and after its validity."""
    for version in reversed(state.versions.get(symbol, ())):
        if version.valid_from <= time:
            return version if version.valid_to is None or time < version.valid_to else None
    return None

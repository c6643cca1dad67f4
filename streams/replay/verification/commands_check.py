"""
The commands of a session against its journals: each one up to where a task has read was taken, by its bytes, or refused.
"""

import hashlib
from collections.abc import Iterable

from streams.domain.records import Command, SessionManifest
from streams.errors import DecodeError, LogError
from streams.log.batch import Taken
from streams.log.codec import HEADER_LENGTH, Codec
from streams.log.interface import Log, Message
from streams.log.journal import backwards, read_range
from streams.log.layout import Layout
from streams.log.schema_ids import ids_of
from streams.replay.verification.journal_check import Divergence
from streams.replay.verification.letters import Letters


def commands_taken(
    log: Log, layout: Layout, codec: Codec, number: int, taken: Iterable[Taken], letters: Letters, *, start: int, end: int
) -> list[tuple[Taken, Command]] | Divergence:
    """
    What risk task `number` took between the offsets `start` and `end` of its commands, in the journal's order.

    Raises: LogError where commands that were taken are gone by retention.
    """
    partition = layout.at("commands", number)
    wanted = {one.offset: one for one in taken if start <= one.offset}
    first = log.start_offset(partition)
    if any(offset < first for offset in wanted):
        raise LogError(
            f"{partition.topic}/{partition.number} must hold offset {min(wanted)}, where a command was taken, begins at {first}: it is gone"
        )
    headers = _headers(log, layout, codec)
    commands: dict[int, Command] = {}
    for message in read_range(log, partition, max(start, first), min(end, log.end_offset(partition))):
        if message.value is None:
            continue
        one = wanted.get(message.offset)
        if one is None:
            if not letters.answers(partition, message.offset):
                return Divergence.at(message, "the command", "one that the journal took or a dead letter refused", _words(codec, message))
            continue
        own, payload = message.value[:HEADER_LENGTH], message.value[HEADER_LENGTH:]
        digests = [hashlib.sha256(header + payload).hexdigest() for header in (own, *headers)]
        if one.digest not in digests:
            found = f"{digests[0]} of {_words(codec, message)}"
            return Divergence.at(message, f"the digest of command {one.command_id}", one.digest, found)
        record = codec.decode(message.value, Command)
        assert isinstance(record, Command)
        commands[message.offset] = record
    for offset, one in wanted.items():
        if offset not in commands:
            return Divergence(partition.topic, partition.number, offset, "the command", one.command_id, "missing")
    return [(one, commands[offset]) for offset, one in wanted.items()]


def _headers(log: Log, layout: Layout, codec: Codec) -> list[bytes]:
    """The headers that commands had where the session was written: an import gives them its own registry's."""
    place = layout.at("session", 0)
    headers = []
    for message in backwards(log, place) if place.topic in log.topics() else ():
        try:
            record = codec.decode(message.value or b"", SessionManifest)
            assert isinstance(record, SessionManifest)
            headers += [b"\x00" + number.to_bytes(HEADER_LENGTH - 1, "big") for number in ids_of(record.schema_ids, Command.__name__)]
        except (DecodeError, OverflowError, ValueError):
            continue  # told where the session's own record is checked
    return headers


def _words(codec: Codec, message: Message) -> str:
    try:
        return str(codec.decode(message.value or b""))
    except DecodeError as fault:
        return f"undecodable ({fault})"

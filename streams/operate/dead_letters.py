"""
What Kafka Connect could not decode, brought to the session's own `dead_letters`, each exactly once.

Connect writes the raw bytes to `connect_dead_letters` with headers that say where they came from. The position in that topic commits in
the same transaction as the letters, so a watchdog that is killed loses and doubles none.
"""

from streams.domain.records import DeadLetter
from streams.log.codec import Codec
from streams.log.interface import Log, Message, Partition

CONNECT_TOPIC = "connect_dead_letters"
GROUP = "cdb-connect-dead-letters"
READ_MAX = 500
EARLIEST_TIME = 1000
SOURCE = Partition(CONNECT_TOPIC, 0)


class ConnectDeadLetters:
    """Moves letters on each `turn`. A session that was removed meanwhile gets none."""

    def __init__(self, log: Log, codec: Codec) -> None:
        self._log = log
        self._codec = codec
        self._place: int | None = None

    def turn(self) -> int:
        """Moves what is there; returns how many. Raises: LogError, Fenced as the log."""
        topics = self._log.topics()
        if CONNECT_TOPIC not in topics:
            return 0
        if self._place is None:
            committed = self._log.committed(GROUP, SOURCE)
            self._place = self._log.start_offset(SOURCE) if committed is None else committed
        end = self._log.end_offset(SOURCE)
        if self._place >= end:
            return 0
        messages, place = self._read(self._place, end)
        letters = [letter for letter in map(self._letter, messages) if letter is not None]
        known = [one for one in letters if f"{one.session}.dead_letters" in topics]
        self._write(known, place)
        self._place = place
        return len(known)

    def _read(self, start: int, end: int) -> tuple[list[Message], int]:
        reader = self._log.reader({SOURCE: start})
        try:
            messages = [message for message in reader.poll(READ_MAX, 1.0) if message.offset < end]
            return messages, reader.position(SOURCE)
        finally:
            reader.close()

    def _letter(self, message: Message) -> DeadLetter | None:
        about = {name: value.decode("utf-8", "replace") for name, value in message.headers if value is not None}
        session, _, topic = about.get("__connect.errors.topic", "").rpartition(".")
        if not session:
            return None
        partition, offset = int(about["__connect.errors.partition"]), int(about["__connect.errors.offset"])
        name = f"{session}/connect/{topic}/{partition}/{offset}"
        return DeadLetter(
            event_id=name, causation_id=name, correlation_id=name, session=session, time=max(message.time, EARLIEST_TIME),
            source_topic=topic, source_partition=partition, source_offset=offset, rule="sink_decodable",
            cause=about.get("__connect.errors.exception.message", "Connect gave no reason"), payload=message.value,
        )  # fmt: skip

    def _write(self, letters: list[DeadLetter], place: int) -> None:
        writer = self._log.writer(GROUP)
        try:
            writer.begin()
            for letter in letters:
                writer.append(
                    Partition(f"{letter.session}.dead_letters", 0), key=letter.source_topic.encode(),
                    value=self._codec.wire(letter), time=letter.time,
                )  # fmt: skip
            writer.offsets(GROUP, {SOURCE: place})
            writer.commit()
        finally:
            writer.close()

"""
What Kafka Connect could not decode, brought to the session's own `dead_letters`, each exactly once.

Connect writes the raw bytes to `connect_dead_letters` with headers that say where they came from. The position in that topic commits in
the same transaction as the letters, so a watchdog that is killed loses and doubles none.
"""

from streams.domain.records import DeadLetter
from streams.domain.rules import broken_rule
from streams.errors import DecodeError, Fenced
from streams.log.codec import Codec
from streams.log.interface import Log, Message, Partition, Writer

CONNECT_TOPIC = "connect_dead_letters"
GROUP = "cdb-connect-dead-letters"
READ_MAX = 500
READ_SECONDS = 1.0
EARLIEST_TIME = 1000
SOURCE = Partition(CONNECT_TOPIC, 0)


class ConnectDeadLetters:
    """
    Moves letters on each `turn`. A session that was removed meanwhile gets none.

    Every session's watchdog runs one. They share one writer's name and one position: whoever opens the writer ends what another has
    under way, and reads the position after that.
    """

    def __init__(self, log: Log, codec: Codec) -> None:
        self._log = log
        self._codec = codec
        self._moved_to = 0
        self._present = False

    def turn(self) -> int:
        """Moves what is there; returns how many. Raises: LogError as the log."""
        # Who asks for all topics gets those of all sessions, so only as long as Connect has never had anything to set aside.
        self._present = self._present or CONNECT_TOPIC in self._log.topics()
        if not self._present or self._log.end_offset(SOURCE) <= self._moved_to:
            return 0
        topics = self._log.topics()
        writer = self._log.writer(GROUP)
        try:
            committed = self._log.committed(GROUP, SOURCE)
            start = self._log.start_offset(SOURCE) if committed is None else committed
            messages, place = self._read(start)
            letters = [letter for letter in map(self._letter, messages) if letter is not None]
            known = [one for one in letters if f"{one.session}.dead_letters" in topics]
            if place > start:
                self._write(writer, known, place)
        except Fenced:
            return 0  # another watchdog's turn; it moves what is there
        finally:
            writer.close()
        self._moved_to = place
        return len(known)

    def _read(self, start: int) -> tuple[list[Message], int]:
        reader = self._log.reader({SOURCE: start})
        try:
            messages = reader.poll(READ_MAX, READ_SECONDS)
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
            source_topic=topic, source_partition=partition, source_offset=offset,
            rule=self._rule(message.value) if about.get("__connect.errors.stage") == "TRANSFORMATION" else "sink_decodable",
            # Postgres stores no NUL in a text.
            cause=about.get("__connect.errors.exception.message", "Connect gave no reason").replace("\x00", "\\0"),
            payload=message.value,
        )  # fmt: skip

    def _rule(self, value: bytes | None) -> str:
        """The rule that a record which its table cannot hold breaks; of one that this program cannot read the sink's own word."""
        try:
            return broken_rule(self._codec.decode(value or b"")) or "sink_storable"
        except DecodeError:
            return "sink_storable"

    def _write(self, writer: Writer, letters: list[DeadLetter], place: int) -> None:
        writer.begin()
        for letter in letters:
            writer.append(
                Partition(f"{letter.session}.dead_letters", 0), key=letter.source_topic.encode(),
                value=self._codec.wire(letter), time=letter.time,
            )  # fmt: skip
        writer.offsets(GROUP, {SOURCE: place})
        writer.commit()

"""Committed records of a session's topics as they come, for those who look on and write nothing."""

from collections.abc import Iterator, Mapping

from streams.log.interface import Log, Message, Partition, Reader

READ_MAX = 1000
POLL_S = 0.05


class Follower:
    """Reads on from `positions`; watermarks are among what comes."""

    def __init__(self, log: Log, positions: Mapping[Partition, int]) -> None:
        self._log, self._partitions = log, tuple(positions)
        self._reader: Reader = log.reader(positions)

    def messages(self, count_max: int | None = None) -> Iterator[Message]:
        """Everything up to where the partitions end now, or a batch more than `count_max`. To be taken whole. Raises: LogError."""
        ends = {one: self._log.end_offset(one) for one in self._partitions}
        count = 0
        while any(self._reader.position(one) < end for one, end in ends.items()) and (count_max is None or count < count_max):
            found = self._reader.poll(READ_MAX, POLL_S)
            count += len(found)
            yield from found

    def close(self) -> None:
        self._reader.close()

"""Which part of a session is asked for, in µs of logical time."""

from typing import NamedTuple


class Part(NamedTuple):
    """From `start` to `end`, both included; None: from the session's beginning, to its end."""

    start: int | None = None
    end: int | None = None

    def begins(self, time: int) -> bool:
        """Whether what happened until `time` reaches into the part."""
        return self.start is None or time >= self.start

    def ends(self, time: int) -> bool:
        """Whether what happened until `time` is all there is of the part."""
        return self.end is not None and time >= self.end


WHOLE = Part()

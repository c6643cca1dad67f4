"""
Faults of the world, by name. Business outcomes are values and our own bugs are assertions; neither is here.

Each is handled once, at the edge (`streams.cli.__main__` or a host), which turns `exit_code` into the process's own.
"""


class StreamsError(Exception):
    """Base of every fault of the world that this project names."""

    exit_code = 1
    retriable = False


class ConfigError(StreamsError):
    """A setting, argument or file of the user breaks a rule; the message holds one line for each fault."""

    exit_code = 2


class DecodeError(StreamsError):
    """Bytes that are no record of ours, or a record that breaks a rule of its schema: goes to `dead_letters`."""

    def __init__(self, cause: str, rule: str = "decodable") -> None:
        super().__init__(cause)
        self.rule = rule


class FeedError(StreamsError):
    """Market data cannot be read or parsed (a truncated recording, a lost connection)."""

    retriable = True


class FrameError(FeedError):
    """What an exchange sent is no message of its protocol: too large, cut short, or of other values. What it held is missing."""


class LogError(StreamsError):
    """The log cannot do what was asked: a missing topic, a broker that is away, a range that is gone."""

    retriable = True


class Unanswered(LogError):
    """A question to a record has no answer: the log is away, or what it needs is gone. Not 1, by which a record is told to differ."""

    exit_code = 2


class Fenced(LogError):
    """Another writer has taken this one's name over; nothing more may be written. Supervisors do not restart it."""

    exit_code = 75
    retriable = False


class PartitionsLost(Fenced):
    """A group member's partitions belong to another one now: its transaction is dropped, and it goes on with what it holds."""

    exit_code = 1
    retriable = True


class StackError(StreamsError):
    """A part of the local stack is missing, busy or does not come up."""


class ReplayMismatch(StreamsError):
    """What a replay computed differs from what the log holds; the message names topic, partition, offset and both digests."""

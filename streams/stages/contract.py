"""
What a stage is to the hosts that run it, and what a host is to a stage.

A stage is a pure function with a state: hosts hand it events in the one order that time defines, and nothing else.
`step` owns the state it is given: it may change it in place and returns it; nobody else keeps a reference.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from streams.domain.parameters import SessionSettings
from streams.domain.records import Record

TIMER_RANK = -1
COMMAND_RANK = -2


class Input(NamedTuple):
    """One topic that a stage merges: `rank` orders events of one time, `delay` (µs) shifts its records to when they act."""

    topic: str
    rank: int
    delay: int = 0


class Timer(NamedTuple):
    """A deadline of a stage's state; fires as an event of exactly `time`. Ordered by (time, key, name)."""

    time: int
    key: str
    name: str


class Event(NamedTuple):
    """
    One thing to step. `topic` names the input without its session, or is "timer" or "command".

    `time` is when it acts: record time + the input's delay; a timer's deadline; for a command the frontier it was taken
    at + 1. `cause_id` is the event's own id. `name` is a timer's.
    """

    time: int
    topic: str
    key: str
    record: Record | None
    cause_id: str
    name: str = ""


class Output(NamedTuple):
    """
    A record to append to `topic` (without session) under `key`, into the partition with the task's number.

    The stage leaves event_id, causation_id, correlation_id and session empty: the task fills them in from the event
    and the output index of the key. A stage that knows a better correlation id (a timer's order) may set it itself.
    `record.time` is the event's time, or later where the stage's own latency says so, never earlier, and never falls
    from one output of a topic to the next.
    """

    topic: str
    key: str
    record: Record


class Stage(Protocol):
    """Signals, risk or execution. `State` is any mutable struct that `encode` and `decode` turn to bytes and back."""

    @property
    def name(self) -> str: ...

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The merged inputs; a stage that takes commands reads them beside these (see `takes_commands`)."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Every topic the stage may write, without session; merged ones get the task's watermarks."""

    @property
    def takes_commands(self) -> bool: ...

    @property
    def output_delay(self) -> int:
        """Microseconds that every output of a merged topic is later than its event at the least (execution: report latency)."""

    def initial(self, task: int) -> Any:
        """The state before the first event. Keys that other tasks own are told apart by `settings`, not by the host."""

    def step(self, state: Any, event: Event) -> tuple[Any, list[Output]]: ...

    def next_timer(self, state: Any) -> Timer | None:
        """The earliest deadline, always later than every event stepped so far."""

    def answer_due(self, state: Any, topic: str) -> int | None:
        """
        The earliest time (µs, delay not counted) at which `topic` can still bring a record that concerns this state, by the state alone.

        None: the state knows nothing beyond the topic's own watermark. `NEVER`: nothing can come before this task
        itself writes something (risk's `order_results` with no order in flight).
        After an event it may say less than before; only what comes after that event can then concern this state.
        """

    def is_awaited(self, state: Any) -> bool | None:
        """
        Whether another stage stands still until this state's next promise, so that each is worth a transaction of its own.

        False: nobody does before this task's own next output, which carries a promise with it. None: the state cannot tell.
        It decides how soon a promise is sent, never what is put out.
        """

    def encode(self, state: Any) -> bytes:
        """Canonical: equal states, equal bytes."""

    def decode(self, raw: bytes) -> Any: ...


NEVER = 1 << 62

StageFactory = Callable[[SessionSettings, int], Stage]

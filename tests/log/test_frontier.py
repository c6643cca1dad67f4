"""What a task says it has stepped: everything up to its frontier and nothing after, whatever its state promises next."""

import msgspec

from streams.domain.parameters import SessionSettings
from streams.domain.records import Mark
from streams.log.codec import Codec
from streams.log.interface import Message, watermark_headers
from streams.log.layout import Layout
from streams.log.task import Task
from streams.stages.contract import NEVER, Event, Input, Output, Timer
from tests.contract.samples import NOON, sample

CODEC = Codec.offline()
LAYOUT = Layout.of(SessionSettings(session="live"))


class Asked(msgspec.Struct):
    waits: bool = False


class Asker:
    """Waits for an answer from its first mark on: before, none can come; after, it knows nothing of when."""

    name = "risk"
    inputs = (Input("marks", 2), Input("order_results", 5))
    outputs = ("orders",)
    takes_commands = True
    output_delay = 0

    def initial(self, task: int) -> Asked:
        return Asked()

    def step(self, state: Asked, event: Event) -> tuple[Asked, list[Output]]:
        return Asked(waits=True), []

    def next_timer(self, state: Asked) -> Timer | None:
        return None

    def answer_due(self, state: Asked, topic: str) -> int | None:
        return NEVER if topic == "order_results" and not state.waits else None

    def is_awaited(self, state: Asked) -> bool:
        return state.waits

    def encode(self, state: Asked) -> bytes:
        return msgspec.json.encode(state)

    def decode(self, raw: bytes) -> Asked:
        return msgspec.json.decode(raw, type=Asked)


def message(topic: str, offset: int, time: int, *, promise: bool = False) -> Message:
    """A mark of `time`, or the promise that nothing up to it will come."""
    value = None if promise else CODEC.wire(sample(Mark, time=time))
    return Message(
        topic=LAYOUT.full(topic), partition=0, offset=offset, key=b"BTCUSDT", value=value,
        headers=watermark_headers(time) if promise else (), time=time,
    )  # fmt: skip


def test_moment_that_was_stepped_lies_behind_the_frontier_though_the_state_promises_no_more_after_it() -> None:
    task = Task(Asker(), 0, LAYOUT, CODEC, 60_000_000)
    task.offer([
        message("order_results", 0, NOON - 5_000, promise=True), message("marks", 0, NOON), message("marks", 1, NOON + 1),
        message("marks", 2, NOON + 9_000, promise=True),
    ])  # fmt: skip
    assert task.run() == 1, "the second mark waits: an answer to the first may come before it"
    assert task.frontier == NOON, "a command taken now, or a replay up to here, must come after the mark"
    task.offer([message("order_results", 1, NOON + 10_000, promise=True)])
    assert task.run() == 1 and task.frontier == NOON + 9_000

"""
Keeps a session's surroundings going: the sink's tasks, the local stack's parts, what Connect could not decode, and time itself.

Each duty is a small callable with its own interval; the loop is one thread, except that a part of the stack is started in another,
because that takes seconds in which time must go on. An unknown error ends the process; who supervises it starts it anew.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import httpx

from streams.errors import StackError
from streams.exchange.wall import Wall
from streams.operate.sink import ConnectDown, Sink
from streams.operate.stack import PartState, Stack

logger = logging.getLogger(__name__)

TURN_SECONDS = 0.1
REGISTRY_ANSWER_SECONDS = 2.0
MEND_ATTEMPTS_MAX = 5


class Duty(NamedTuple):
    """Something to do every `seconds` of wall time."""

    name: str
    seconds: float
    turn: Callable[[], object]


def watch(duties: list[Duty], wall: Wall) -> None:
    """Gives each duty its turns until told to stop. Raises: what a duty raises."""
    due = {duty.name: wall.monotonic() for duty in duties}
    while not wall.wait(TURN_SECONDS):
        for duty in duties:
            if wall.monotonic() >= due[duty.name]:
                duty.turn()
                due[duty.name] = wall.monotonic() + duty.seconds


class SinkKeeper:
    """
    Restarts failed sink tasks, and pauses the sink while the registry does not answer.

    With `errors.tolerance=all` a converter that cannot reach the registry would set valid rows aside as undecodable.
    """

    def __init__(self, sink: Sink, registry_health_url: str) -> None:
        self._sink = sink
        self._registry_health_url = registry_health_url
        self._paused = False

    def turn(self) -> None:
        """One look. A Connect that is away is the stack's matter, not an error here."""
        try:
            if not self._registry_answers():
                if not self._paused:
                    logger.warning("the registry does not answer: the sink is paused")
                    self._sink.pause()
                    self._paused = True
                return
            if self._paused:
                self._sink.resume()
                self._paused = False
                logger.info("the registry answers again: the sink goes on")
            if self._sink.restart_failed():
                logger.warning("a task of the sink had failed and was started anew")
        except ConnectDown as fault:
            logger.info("Connect is away: %s", fault)

    def _registry_answers(self) -> bool:
        try:
            return httpx.get(self._registry_health_url, timeout=REGISTRY_ANSWER_SECONDS).is_success
        except httpx.HTTPError:
            return False


class StackKeeper:
    """Starts parts of the local stack that have died."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="stack")
        self._starting: Future[None] | None = None

    def turn(self) -> None:
        """One look. Raises: StackError where a part cannot be started again."""
        if self._starting is not None:
            if not self._starting.done():
                return
            self._starting.result()
            self._starting = None
        self._starting = self._starter.submit(self._mend)

    def _mend(self) -> None:
        """A part may die while others are started that need it: what was to be started is remembered, and tried again with it."""
        dead: set[str] = set()
        for attempt in range(1, MEND_ATTEMPTS_MAX + 1):
            dead |= {one.name for one in self._stack.status() if one.state is PartState.DIED}
            if not dead:
                return
            logger.warning("%s died and is started anew", ", ".join(sorted(dead)))
            try:
                self._stack.up(dead, report=logger.info)
            except StackError as fault:
                if attempt == MEND_ATTEMPTS_MAX:
                    raise
                logger.warning("%s", fault)
            else:
                return

    def close(self) -> None:
        self._starter.shutdown(wait=True)

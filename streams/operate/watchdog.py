"""
Keeps a session's surroundings going: the sink's tasks, the local stack's parts, what Connect could not decode or breaks a rule, and time.

Each duty is a small callable with its own interval; those that use the log share the loop's thread. What may take seconds (Connect's
answers, the start of a part) is done aside, in a thread of its own, because market time must go on meanwhile. An unknown error ends
the process; who supervises it starts it anew.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import httpx

from streams.domain.parameters import SessionSettings
from streams.errors import LogError, StackError
from streams.exchange.timekeeper import Timekeeper
from streams.exchange.wall import Wall
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.operate import web
from streams.operate.dead_letters import ConnectDeadLetters
from streams.operate.rule_watch import RuleWatch
from streams.operate.sink import ConnectDown, Sink
from streams.operate.stack import Stack

logger = logging.getLogger(__name__)

TURN_SECONDS = 0.1
REGISTRY_ANSWER_SECONDS = 2.0
MEND_ATTEMPTS_MAX = 5
PAUSED = "PAUSED"


class Duty(NamedTuple):
    """Something to do every `seconds` of wall time."""

    name: str
    seconds: float
    turn: Callable[[], object]


def watch(duties: list[Duty], wall: Wall) -> None:
    """
    Gives each duty its turns until told to stop. A log that is away is waited for: who is to bring it back must not end with it.

    Raises: what a duty raises, but for a `LogError` that may pass.
    """
    due = {duty.name: wall.monotonic() for duty in duties}
    while not wall.wait(TURN_SECONDS):
        for duty in duties:
            if wall.monotonic() >= due[duty.name]:
                try:
                    duty.turn()
                except LogError as fault:
                    if not fault.retriable:
                        raise
                    logger.warning("%s: %s", duty.name, fault)
                due[duty.name] = wall.monotonic() + duty.seconds


def log_duties(log: Log, codec: Codec, settings: SessionSettings, timekeeper: Timekeeper) -> list[Duty]:
    """What a session needs done that only its log is needed for, wherever it runs."""
    return [
        Duty("timekeeper", 0.1, timekeeper.turn),
        Duty("dead letters", 1.0, ConnectDeadLetters(log, codec).turn),
        Duty("rules", 0.2, RuleWatch(log, codec, settings).turn),
    ]


class Aside:
    """
    A duty in a thread of its own, again and again: neither does it hold the others up, nor they it.

    What brings a dead broker back must not wait for those who wait for the broker.
    """

    def __init__(self, name: str, seconds: float, turn: Callable[[], object]) -> None:
        self._over = threading.Event()
        self._turn = turn
        self._seconds = seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._running = self._thread.submit(self._run)

    def turn(self) -> None:
        """Raises: what a turn raised, which was the last one."""
        if self._running.done():
            self._running.result()

    def close(self) -> None:
        """Waits for the turn that runs."""
        self._over.set()
        self._thread.shutdown(wait=True)

    def _run(self) -> None:
        while not self._over.is_set():
            self._turn()
            self._over.wait(self._seconds)


class SinkKeeper:
    """
    Restarts failed sink tasks, and pauses the sink while the registry does not answer.

    With `errors.tolerance=all` a converter that cannot reach the registry would set valid rows aside as undecodable. Whether it is
    paused Connect itself is asked, so a pause outlives neither this process nor an operator's while the registry answers.
    """

    def __init__(self, sink: Sink, registry_health_url: str) -> None:
        self._sink = sink
        self._registry_health_url = registry_health_url

    def turn(self) -> None:
        """One look. A Connect that is away is the stack's matter, not an error here."""
        try:
            answers, status = self._registry_answers(), self._sink.status()
            if status is None:
                return
            if not answers:
                if status.state != PAUSED:
                    logger.warning("the registry does not answer: the sink is paused")
                    self._sink.pause()
            elif status.state == PAUSED:
                logger.info("the registry answers: the sink goes on")
                self._sink.resume()
            elif status.failed and self._sink.restart_failed():
                logger.warning("a task of the sink had failed and was started anew")
        except ConnectDown as fault:
            logger.info("Connect is away: %s", fault)

    def _registry_answers(self) -> bool:
        try:
            return web.client().get(self._registry_health_url, timeout=REGISTRY_ANSWER_SECONDS).is_success
        except httpx.HTTPError:
            return False


class StackKeeper:
    """Starts parts of the local stack that have died."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def turn(self) -> None:
        """
        One look, which returns once what had died is up again. Raises: StackError where a part cannot be started again.

        A part may die while others are started that need it: what was to be started is remembered, and tried again with it.
        """
        dead: set[str] = set()
        for attempt in range(1, MEND_ATTEMPTS_MAX + 1):
            dead |= self._stack.died()
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

"""Keys of a terminal as they are pressed, and a wait that a key ends early; without a terminal only the wait."""

from __future__ import annotations

import select
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from streams.exchange.wall import SystemWall


class Keys(Protocol):
    """What a person presses while a session plays."""

    @property
    def pressed_by_hand(self) -> bool:
        """Whether somebody can press a key at all."""

    def wait(self, seconds: float) -> str:
        """The next key within `seconds` (≤ 0: one that is pressed already), or nothing."""

    def now(self) -> float:
        """Seconds that never go back."""


class TerminalKeys:
    """The keys of standard input, each as soon as it is pressed."""

    pressed_by_hand = True

    def __init__(self) -> None:
        self._wall = SystemWall(threading.Event())

    def wait(self, seconds: float) -> str:
        ready, _, _ = select.select([sys.stdin], [], [], max(seconds, 0))
        return sys.stdin.read(1) if ready else ""

    def now(self) -> float:
        return self._wall.monotonic()


class NoKeys:
    """Nobody is there: waits are only waited."""

    pressed_by_hand = False

    def __init__(self) -> None:
        self._wall = SystemWall(threading.Event())

    def wait(self, seconds: float) -> str:
        self._wall.wait(seconds)
        return ""

    def now(self) -> float:
        return self._wall.monotonic()


@contextmanager
def keys_of_terminal(*, wanted: bool) -> Iterator[Keys]:
    """The terminal's keys where there is one and they are wanted; the terminal is as it was afterwards."""
    if not wanted or not sys.stdin.isatty():
        yield NoKeys()
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield TerminalKeys()
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)

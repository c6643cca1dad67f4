"""
An event loop whose time stands still while anything is to do, and jumps where nothing is: a day on loopback takes what its work takes.

Data that one end writes on loopback is there for the other at once, so "nothing is ready" means that all is said. Work in the loop's
executor is waited for. No timeout can strike because the machine is slow.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

THREAD_SECONDS = 1.0


class _Selector(selectors.DefaultSelector):
    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if self.loop.threads or timeout is None:
            return super().select(THREAD_SECONDS if timeout is None else min(timeout, THREAD_SECONDS))
        self.loop.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """`asyncio.Runner(loop_factory=VirtualLoop)`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.threads = 0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        future = super().run_in_executor(executor, func, *args)
        self.threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, future: Awaitable[Any]) -> None:
        self.threads -= 1


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)

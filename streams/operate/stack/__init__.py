"""
The stack without Docker: broker, registry, Connect and Postgres as processes of this machine, on 127.0.0.1 only.

`Stack(settings).up()` brings up what is not up, `.down()` ends it, `.status()` says how each part is, and
`.endpoints()` where to reach it. Processes are detached: they stay when the caller ends.
"""

from typing import TYPE_CHECKING, Any

from streams.operate.stack.settings import PART_NAMES, WATCH_NAMES, Endpoints, StackSettings

if TYPE_CHECKING:
    from streams.operate.stack.part import PartState, PartStatus
    from streams.operate.stack.stack import Stack

__all__ = ["PART_NAMES", "WATCH_NAMES", "Endpoints", "PartState", "PartStatus", "Stack", "StackSettings"]


def __getattr__(name: str) -> Any:
    # The parts bring clients of Postgres and HTTP along; who only asks where they are reached needs neither.
    if name in ("PartState", "PartStatus"):
        from streams.operate.stack import part  # noqa: PLC0415 (see above)

        return getattr(part, name)
    if name == "Stack":
        from streams.operate.stack import stack  # noqa: PLC0415 (see above)

        return stack.Stack
    raise AttributeError(f"module {__name__} has no attribute {name}")

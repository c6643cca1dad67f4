"""
The stack without Docker: broker, registry, Connect and Postgres as processes of this machine, on 127.0.0.1 only.

`Stack(settings).up()` brings up what is not up, `.down()` ends it, `.status()` says how each part is, and
`.endpoints()` where to reach it. Processes are detached: they stay when the caller ends.
"""

from streams.operate.stack.part import PartState, PartStatus
from streams.operate.stack.settings import PART_NAMES, Endpoints, StackSettings
from streams.operate.stack.stack import Stack

__all__ = ["PART_NAMES", "Endpoints", "PartState", "PartStatus", "Stack", "StackSettings"]

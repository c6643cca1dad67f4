"""
How a process logs: lines for people, or one JSON object a line for machines. Times are UTC.

A line about a record carries the ids that follow it from tick to fill: its own, and the `correlation_id` of the market record that began
it, which signals, orders and fills that came of it share.
"""

import json
import logging
import sys
import time
from typing import Literal, TextIO

# Libraries whose failures reach us as exceptions: their own account of them would say everything twice.
_SILENT = ("faust", "mode", "asyncio", "aiohttp.access")


# What a line may carry beside its text (`extra` of logging), by the names of records.
IDS = ("event_id", "correlation_id")


class JsonLines(logging.Formatter):
    """A record as one JSON object: time, level, logger, message, and ids and traceback where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": _iso(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        said |= {name: str(getattr(record, name)) for name in IDS if hasattr(record, name)}
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


class HumanLines(logging.Formatter):
    """`12:30:01.250 INFO streams.log.worker: …`, at the end of its first line the correlation id where there is one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        found = getattr(record, "correlation_id", None)
        return super().formatMessage(record) + ("" if found is None else f" [{found}]")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 (logging's name)
        return _iso(record)[11:-1]


def start_logging(level: str, form: Literal["human", "json"], stream: TextIO | None = None) -> None:
    """Everything from `level` on goes to `stream` (standard error where none is given), in place of what was set before."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else HumanLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _iso(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"

"""How a process logs: lines for people, or one JSON object a line for machines. Times are UTC."""

import json
import logging
import sys
import time
from typing import Literal, TextIO

# Libraries whose failures reach us as exceptions: their own account of them would say everything twice.
_SILENT = ("faust", "mode", "asyncio", "aiohttp.access")


class JsonLines(logging.Formatter):
    """A record as one JSON object: time, level, logger, message, and traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": _iso(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


class HumanLines(logging.Formatter):
    """`12:30:01.250 INFO streams.log.worker: …`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

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

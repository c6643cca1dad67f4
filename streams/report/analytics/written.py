"""
An answer as text, JSON, CSV or Parquet. Decimals stay exact: text in JSON and CSV, `decimal128(38, 12)` in Parquet; times are UTC.
"""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from streams.domain.money import SCALE
from streams.errors import ConfigError
from streams.report.analytics.queries import Answer, Kind
from streams.report.analytics.source import Value

DIGITS = 38
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text(kind: Kind, value: Value) -> str | int | bool | None:
    """A value for JSON and CSV: amounts and times as text, the rest as it is."""
    match value:
        case None:
            return None
        case Decimal():
            return f"{value:f}"
        case int() if kind == "day":
            return (EPOCH + timedelta(microseconds=value)).strftime("%Y-%m-%d")
        case int() if kind == "time":
            return (EPOCH + timedelta(microseconds=value)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case _:
            return value


def as_json(answer: Answer) -> str:
    """A list of objects."""
    rows = [{column.name: text(column.kind, row[column.name]) for column in answer.columns} for row in answer.rows]
    return json.dumps(rows, indent=2)


def as_csv(answer: Answer) -> str:
    """With a line of names; what is empty is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.name for column in answer.columns])
    writer.writerows([text(column.kind, row[column.name]) for column in answer.columns] for row in answer.rows)
    return out.getvalue()


def write_parquet(answer: Answer, path: Path) -> None:
    """Raises: ConfigError where pyarrow is not here, or the file cannot be written."""
    try:
        # Only here: it is large, and the containers' image is without it.
        import pyarrow as pa  # noqa: PLC0415 (see above)
        import pyarrow.parquet as pq  # noqa: PLC0415 (see above)
    except ImportError as error:
        raise ConfigError("--parquet needs pyarrow, which is not installed here") from error
    kinds: dict[Kind, Any] = {
        "time": pa.timestamp("us", tz="UTC"), "day": pa.timestamp("us", tz="UTC"), "amount": pa.decimal128(DIGITS, SCALE),
        "count": pa.int64(), "text": pa.string(), "flag": pa.bool_(),
    }  # fmt: skip
    table = pa.table(
        {column.name: pa.array([row[column.name] for row in answer.rows], kinds[column.kind]) for column in answer.columns}
    )
    try:
        pq.write_table(table, path)
    except OSError as error:
        raise ConfigError(f"--parquet must be a file that can be written, was {path}: {error.strerror or error}") from error

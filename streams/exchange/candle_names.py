"""
Which files hold candles, by their endings alone: nothing here reads one, so that commands without candles need no pyarrow.
"""

from pathlib import Path

SUFFIXES = (".feather", ".parquet", ".csv", ".txt", ".csv.gz", ".txt.gz")


def is_candle_file(path: Path) -> bool:
    """Whether the file's ending is one of candles."""
    return path.name.endswith(SUFFIXES)

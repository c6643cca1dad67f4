"""What a person asks for of a candle feed, before anything of it is looked at."""

from pathlib import Path
from typing import NamedTuple


class CandleAsk(NamedTuple):
    """What was asked for of candles; None and empty where nothing was said. Texts as the person wrote them."""

    instruments: tuple[str, ...] = ()
    interval: str | None = None
    path: str | None = None
    path_steps: int | None = None
    start: str | None = None
    end: str | None = None
    marks: tuple[Path, ...] = ()
    funding: tuple[Path, ...] = ()

    @property
    def options(self) -> list[str]:
        """The options that were given."""
        words = {"instruments": "--instrument", "path_steps": "--path-steps", "start": "--from", "end": "--to"}
        return [words.get(name, f"--{name}") for name, value in self._asdict().items() if value is not None and value != ()]

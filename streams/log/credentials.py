"""Who a process is to a broker that asks: by SCRAM within TLS."""

from pathlib import Path
from typing import NamedTuple


class Credentials(NamedTuple):
    """A user of the broker, and the file with the authorities (PEM) that its certificate must come from. Never shown: see `__repr__`."""

    username: str
    password: str
    authorities: Path

    def __repr__(self) -> str:
        return f"Credentials({self.username!r})"

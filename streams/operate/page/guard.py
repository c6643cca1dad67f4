"""
Who may ask the page, and who may command: every rule of its door in one place.

A page on loopback is within reach of every web page that the operator's browser shows. So the names it may be asked by are known
(DNS rebinding brings another), a command comes from the page itself (no other page's script or form), and with a token, which no
browser sends of its own accord. Whoever guesses tokens is turned away for a while.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from streams.errors import ConfigError

TOKEN_LENGTH_MIN = 16
GUESSES_MAX = 5
GUESSES_SECONDS = 60.0
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}  # fmt: skip


class Refusal(NamedTuple):
    """Why somebody was turned away: the HTTP status, one word for counts, and a sentence."""

    status: int
    reason: str
    message: str


class Guard:
    """The rules for one listening page; `token` None: it never commands. `names`: HOST:PORT by which browsers may ask."""

    def __init__(self, names: Iterable[str], token: str | None) -> None:
        self._names = frozenset(name.lower() for name in names)
        self._token = token
        self._guesses: deque[float] = deque(maxlen=GUESSES_MAX)

    @property
    def writes(self) -> bool:
        """Whether there is a token by which commands are taken."""
        return self._token is not None

    def refuse_read(self, headers: Mapping[str, str]) -> Refusal | None:
        """None where the page may be read."""
        host = headers.get("Host", "")
        if host.lower() not in self._names:
            return Refusal(421, "host", f"the page must be asked as {' or '.join(sorted(self._names))}, was {host[:100]!r}")
        return None

    def refuse_command(self, headers: Mapping[str, str], monotonic: float) -> Refusal | None:
        """None where a command may be taken from who sent these headers; `monotonic` in seconds."""
        refused = self.refuse_read(headers)
        if refused is not None:
            return refused
        origin = headers.get("Origin", "")
        if origin.lower() not in {f"http://{name}" for name in self._names}:
            return Refusal(403, "origin", f"a command must come from the page itself, was from {origin[:100]!r}")
        if headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            return Refusal(415, "content type", "a command must be application/json")
        if self._token is None:
            return Refusal(403, "read only", "the page has no token: it only reads")
        while self._guesses and monotonic - self._guesses[0] > GUESSES_SECONDS:
            self._guesses.popleft()
        if len(self._guesses) >= GUESSES_MAX:
            return Refusal(429, "guesses", f"{GUESSES_MAX} wrong tokens within {GUESSES_SECONDS:.0f} s: wait, or restart the page")
        kind, _, given = headers.get("Authorization", "").partition(" ")
        if not given:
            return Refusal(401, "no token", "a command needs the token")
        if kind.lower() != "bearer" or not hmac.compare_digest(given.encode(), self._token.encode()):
            self._guesses.append(monotonic)
            return Refusal(401, "wrong token", "the token is wrong")
        return None


def names_of(host: str, port: int, more: Iterable[str] = ()) -> list[str]:
    """
    By which names a page on this address may be asked.

    Raises: ConfigError where it listens beyond loopback and no names say how it is reached.
    """
    given = list(more)
    if is_loopback(host):
        return [f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", *given]
    if not given:
        raise ConfigError(f"HOST must be a loopback address, or --name HOST:PORT says how the page is reached, was {host}")
    return given


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_in(path: Path) -> str:
    """The token that a file holds. Raises: ConfigError where it cannot be read, is short, or others can read it."""
    try:
        text = path.read_text(encoding="utf-8").strip()
        mode, folder_mode = path.stat().st_mode & 0o777, path.resolve().parent.stat().st_mode & 0o777
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"CDB_OPERATOR_TOKEN_FILE must be readable, was {path}: {reason}") from error
    if len(text) < TOKEN_LENGTH_MIN:
        raise ConfigError(f"CDB_OPERATOR_TOKEN_FILE must hold at least {TOKEN_LENGTH_MIN} characters, has {len(text)}")
    # Windows keeps no such modes.
    if os.name == "posix" and mode & 0o077 and folder_mode & 0o077:
        raise ConfigError(f"CDB_OPERATOR_TOKEN_FILE must be of mode 600 or in a folder of 700, {path} is {mode:o} in {folder_mode:o}")
    return text


def make_token(path: Path) -> None:
    """A token where there is none yet, for its owner alone. Raises: ConfigError where the file cannot be written."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(24) + "\n")
    except FileExistsError:
        return
    except OSError as error:
        raise ConfigError(f"the token's file {path} must be writable: {error.strerror}") from error

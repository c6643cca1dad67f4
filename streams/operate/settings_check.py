"""
Every setting of the project held against its type and range, and every secret against its length and its file's mode.

Settings are those that models declare: `CDB_…` for a process's surroundings, `CDB_STACK_…` for the local stack, and the names in `${…}`
of the compose file, which stand in `.env`. Modes of files say nothing on Windows, so there a wrong one warns instead of failing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, SecretStr

from streams.errors import ConfigError
from streams.exchange.mexc import settings as mexc
from streams.operate.alerting import channels
from streams.operate.connection import FOREIGN_PREFIXES, PREFIX, SECRET_WORDS, Connection
from streams.operate.findings import Finding, Level
from streams.operate.stack.settings import ENVIRONMENT_PREFIX, PROJECT_FOLDER, StackSettings

COMPOSE_FILE = PROJECT_FOLDER / "docker-compose.kafka.yml"
SECRET_LENGTH_MIN = 16
WINDOWS = "nt"
PORT_MAX = 65_535

# `$$` is a dollar of the container's own shell.
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::-([^}]*))?\})")
_IMAGE = re.compile(r"[a-z0-9][\w./-]*(:\d+)?[\w./-]*:[\w.-]+(@sha256:[0-9a-f]{64})?")
_NAME = re.compile(r"[a-zA-Z0-9][\w.-]*")


class Group(NamedTuple):
    """Settings that one model declares: names with the prefix, read from an environment."""

    title: str
    prefix: str
    model: type[BaseModel]
    read: Callable[[Mapping[str, str]], BaseModel]


GROUPS = (
    Group("Where a cdb process finds its surroundings.", PREFIX, Connection, Connection.from_environment),
    Group("The local stack of `cdb up`.", ENVIRONMENT_PREFIX, StackSettings, StackSettings.from_environment),
    Group("Who is told of alerts.", channels.PREFIX, channels.Channels, channels.Channels.from_environment),
    Group("How this machine reaches MEXC.", mexc.PREFIX, mexc.MexcSettings, mexc.MexcSettings.from_environment),
)
# Fields of any group whose file is a secret. Alertmanager's is named as its container sees it, so it is not looked at here.
FILES_OF_SECRETS = ("postgres_password_file", "kafka_password_file", "operator_token_file", "key_file", "secret_file")


def compose_variables(file: Path = COMPOSE_FILE) -> dict[str, str]:
    """Every name that a compose file asks for, with its default. Raises: ConfigError where it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"compose file must be readable, was {file}: {error.strerror}") from error
    return {match[1]: match[2] or "" for match in _VARIABLE.finditer(text) if match[1]}


def check_settings(environment: Mapping[str, str], *, system: str = os.name, env_file: Path | None = None) -> list[Finding]:
    """
    A finding for each setting there is, set or not, and for each name that is none; `env_file`: a compose cluster's `.env`.

    `system` as `os.name` has it. Raises: ConfigError where `env_file` cannot be read.
    """
    found: list[Finding] = []
    for group in GROUPS:
        faults = _faults(lambda read=group.read: read(environment))  # type: ignore[misc]
        found += _model_findings(group, environment, faults)
        if not faults:
            found += _secrets(group, group.read(environment), system)
    if env_file is not None:
        found += _env_file_findings(env_file, system)
    return found


def _faults(build: Callable[[], object]) -> dict[str, str]:
    """What a model says against an environment, by the name of the setting."""
    try:
        build()
    except ConfigError as error:
        return {line.split()[0].rstrip(":"): line for line in str(error).splitlines()}
    return {}


def _model_findings(group: Group, environment: Mapping[str, str], faults: Mapping[str, str]) -> Iterator[Finding]:
    model = group.model
    names = {f"{group.prefix}{field.upper()}": field for field in model.model_fields}
    for name in names:
        if name in faults:
            yield Finding("setting", name, Level.FAIL, faults[name])
        elif name in environment:
            secret = model.model_fields[names[name]].annotation == SecretStr | None
            hidden = secret or any(word in name for word in SECRET_WORDS)
            yield Finding("setting", name, Level.OK, "set" if hidden else f"is {environment[name]}")
        else:
            yield Finding("setting", name, Level.OK, "default")
    # Names that are no setting: a typing error would pass for a default.
    for name in faults.keys() - names.keys():
        yield Finding("setting", name, Level.FAIL, faults[name])


def _secrets(group: Group, settings: BaseModel, system: str) -> Iterator[Finding]:
    for field in group.model.model_fields:
        value = getattr(settings, field)
        name = f"{group.prefix}{field.upper()}"
        if isinstance(value, SecretStr):
            yield _length(name, value.get_secret_value())
        elif field in FILES_OF_SECRETS and isinstance(value, Path):
            yield from secret_file(name, value, system)
    if isinstance(settings, Connection):
        yield from _connection_findings(settings)
    if isinstance(settings, StackSettings):
        yield from _folder_secrets(settings.secrets_folder, system)


def _connection_findings(connection: Connection) -> Iterator[Finding]:
    if connection.security != "plaintext":
        faults = _faults(connection.credentials)
        yield from (Finding("secret", name, Level.FAIL, line) for name, line in faults.items())
    faults = _faults(connection.postgres_dsn)
    yield from (Finding("setting", name, Level.FAIL, line) for name, line in faults.items() if name == f"{PREFIX}POSTGRES")


def _folder_secrets(folder: Path, system: str) -> Iterator[Finding]:
    """Of the local stack, where there is one by now."""
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            yield from secret_file(path.name, path, system)


def secret_file(name: str, path: Path, system: str) -> Iterator[Finding]:
    """Whether a secret's file can be read, holds enough, and keeps others out: itself, or by the folder it stands in."""
    try:
        secret = path.read_text(encoding="utf-8").rstrip("\n")
        mode, folder_mode = path.stat().st_mode & 0o777, path.resolve().parent.stat().st_mode & 0o777
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        yield Finding("secret", name, Level.FAIL, f"must be readable, was {path}: {reason}")
        return
    yield _length(name, secret)
    if mode & 0o077 and folder_mode & 0o077:
        level = Level.WARN if system == WINDOWS else Level.FAIL
        yield Finding("secret", name, level, f"mode of {path} must be 600 or its folder's 700, was {mode:o} in {folder_mode:o}: chmod 600")
    else:
        yield Finding("secret", name, Level.OK, f"mode {mode:o} in a folder of {folder_mode:o}")


def _length(name: str, secret: str) -> Finding:
    level = Level.OK if len(secret) >= SECRET_LENGTH_MIN else Level.FAIL
    return Finding("secret", name, level, f"must have at least {SECRET_LENGTH_MIN} characters, has {len(secret)}")


def _env_file_findings(path: Path, system: str) -> Iterator[Finding]:
    known = compose_variables()
    for name, value in _read(path).items():
        if name not in known:
            if not name.startswith((PREFIX, *FOREIGN_PREFIXES)):
                yield Finding("compose", name, Level.WARN, f"must be one of {', '.join(sorted(known))} to count")
            continue
        rule = _compose_rule(name, value)
        yield Finding("compose", name, Level.FAIL if rule else Level.OK, f"must be {rule}, was {value!r}" if rule else f"is {value}")
    folder = path.parent / _read(path).get("SECRETS_FOLDER", known.get("SECRETS_FOLDER", ""))
    if folder.is_dir():
        yield from _folder_secrets(folder, system)
    else:
        yield Finding("secret", "SECRETS_FOLDER", Level.FAIL, f"must be a folder, was {folder}: run deploy/make-secrets")


def _read(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"--file must be readable, was {path}: {error.strerror}") from error
    pairs = (line.partition("=") for line in lines if line.strip() and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _compose_rule(name: str, value: str) -> str:
    """The rule that a value of `.env` breaks; empty where it breaks none."""
    if name.endswith("_PORT") or name == "SEED":
        low, high = (1, PORT_MAX) if name.endswith("_PORT") else (0, 2**63)
        return "" if value.isdecimal() and low <= int(value) <= high else f"a whole number {low}..{high}"
    if name.endswith("_IMAGE"):
        return "" if _IMAGE.fullmatch(value) else "NAME:VERSION"
    if name.endswith(("_VOLUME", "NETWORK")) or name == "SESSION":
        return "" if _NAME.fullmatch(value) else "letters, digits, dots and dashes"
    return "" if value else "not empty"

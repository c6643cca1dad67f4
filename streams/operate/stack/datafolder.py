"""
The data folder of a stack: who owns it, whether it fits, whether it has room, and who is changing it.

`stack.json` is written first and makes the folder ours. A folder with other contents is never touched, let alone removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from streams.errors import StackError
from streams.operate.stack.process import wait_until
from streams.operate.stack.settings import StackSettings

FORMAT = 1
MANIFEST = "stack.json"
LOCK = "lock"
PASSWORD = "postgres_password"
# For a database whose user cannot enter the data folder.
OUTSIDE_FOLDER = Path("/var/lib/claire-de-binare")
FOLDERS = {"logs": 0o755, "run": 0o755, "config": 0o700, "secrets": 0o700, "tmp": 0o700, "targets": 0o755}


class Manifest(BaseModel):
    """Which stack a data folder belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    cluster_id: str
    postgres_folder: Path


def open_manifest(settings: StackSettings, postgres_folder: Path) -> Manifest:
    """The manifest of the data folder, which is made if there is none; `postgres_folder` counts only for a new one."""
    found = read_manifest(settings)
    if found is None:
        # Others may pass through to what is theirs (Postgres runs as a user of its own), and see nothing.
        settings.data_folder.chmod(0o711)
        # Kafka wants its cluster id as 16 bytes in URL-safe base64, and it must not look like an option ("-…").
        cluster_id = "A" + urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
        found = Manifest(format=FORMAT, cluster_id=cluster_id, postgres_folder=postgres_folder)
        _write(settings.data_folder / MANIFEST, found.model_dump_json(indent=2) + "\n")
    for name, mode in FOLDERS.items():
        folder = settings.data_folder / name
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
    if not (settings.secrets_folder / PASSWORD).exists():
        _write(settings.secrets_folder / PASSWORD, secrets.token_urlsafe(24))
    return found


def is_stack(settings: StackSettings) -> bool:
    """
    Whether the data folder is a stack's; not so when it is missing or empty.

    Raises: StackError when it is somebody else's.
    """
    folder = settings.data_folder
    if not folder.is_dir() or not set(os.listdir(folder)) - {LOCK, MANIFEST + ".new"}:
        return False
    if not (folder / MANIFEST).exists():
        raise StackError(
            f"data folder {folder}: holds files but no {MANIFEST}, so it is not a stack's:"
            " choose another folder with CDB_STACK_DATA_FOLDER, or empty it by hand"
        )
    return True


def read_manifest(settings: StackSettings) -> Manifest | None:
    """
    The manifest of a data folder; None for a folder that is missing or empty.

    Raises: StackError for a folder that is somebody else's, or of another version.
    """
    if not is_stack(settings):
        return None
    path = settings.data_folder / MANIFEST
    try:
        found = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise StackError(f"{path}: cannot be read ({error.errors()[0]['msg']}): {remedy(settings)}") from error
    if found.format != FORMAT:
        raise StackError(f"{path}: format must be {FORMAT}, was {found.format}: {remedy(settings)}")
    return found


def remedy(settings: StackSettings) -> str:
    """What a user does about a data folder that does not fit."""
    return f"`cdb down --delete-data` removes {settings.data_folder} and all sessions in it; the next `cdb up` makes it anew"


def password(settings: StackSettings) -> str:
    """The password of the database's owner. Raises: StackError before the first `up`."""
    path = settings.secrets_folder / PASSWORD
    try:
        return path.read_text()
    except FileNotFoundError as error:
        raise StackError(f"{path} is missing: run `cdb up` first") from error


def check_room(folder: Path, free_bytes_min: int) -> None:
    """Raises: StackError when the disk that holds (or will hold) `folder` has less than `free_bytes_min` left."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < free_bytes_min:
        raise StackError(
            f"data folder {folder}: {free >> 20} MiB free on its disk, {free_bytes_min >> 20} MiB needed: make room there,"
            " choose another folder with CDB_STACK_DATA_FOLDER, or ask for less with CDB_STACK_FREE_BYTES_MIN"
        )


def delete(settings: StackSettings) -> None:
    """Removes the data folder and Postgres's folder outside of it, if it is a stack's; nothing else."""
    if not is_stack(settings):
        return
    path = settings.data_folder / MANIFEST
    with contextlib.suppress(ValidationError):
        outside = Manifest.model_validate_json(path.read_bytes()).postgres_folder.resolve()
        if outside.parent.parent == OUTSIDE_FOLDER:
            shutil.rmtree(outside.parent, ignore_errors=True)
    # The manifest goes last: a removal that is cut short leaves a folder that can still be removed.
    for entry in settings.data_folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != MANIFEST:
            entry.unlink()
    path.unlink()
    with contextlib.suppress(OSError):
        settings.data_folder.rmdir()


@contextlib.contextmanager
def locked(settings: StackSettings) -> Iterator[None]:
    """
    Nobody else starts or stops parts of this stack meanwhile.

    Raises: StackError when somebody else still does after the time that a start takes.
    """
    try:
        settings.data_folder.mkdir(parents=True, exist_ok=True)
        lock = (settings.data_folder / LOCK).open("a+")
    except OSError as error:
        raise StackError(f"data folder {settings.data_folder}: cannot be written: {error.strerror}") from error
    with lock:
        if not wait_until(lambda: _try_lock(lock.fileno()), settings.start_seconds_max):
            lock.seek(0)
            raise StackError(f"another command (pid {lock.read().strip() or '?'}) is changing this stack: wait for it")
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(path: Path, text: str) -> None:
    """The file is there whole or not at all, for its owner only."""
    draft = path.with_name(path.name + ".new")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)

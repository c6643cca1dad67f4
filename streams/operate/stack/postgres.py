"""Postgres: a server of its own from the system's programs; the system's cluster is never touched."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import psutil
import psycopg

from streams.errors import StackError
from streams.operate.stack import datafolder, installation
from streams.operate.stack.part import Part
from streams.operate.stack.process import Owner
from streams.operate.stack.settings import StackSettings

UNPRIVILEGED_USERS = ("postgres", "nobody")


class Postgres(Part):
    """Ready when it answers a query in the stack's own database."""

    name: ClassVar[str] = "postgres"
    # "Fast" shutdown: sessions are ended, not waited for.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT

    def __init__(self, settings: StackSettings) -> None:
        super().__init__(settings)
        self.owner = _unprivileged_user()

    @property
    def ports(self) -> dict[str, int]:
        return {"postgres_port": self.settings.postgres_port}

    @cached_property
    def folder(self) -> Path:
        """Its data: where the manifest says, since the choice at the first start holds for good."""
        manifest = datafolder.read_manifest(self.settings)
        return manifest.postgres_folder if manifest else default_folder(self.settings)

    @cached_property
    def programs(self) -> Path:
        """The server's programs, of the version that wrote the data if it is installed."""
        return installation.postgres_programs(self.settings, self._data_major())

    def check(self) -> None:
        data, installed = self._data_major(), int(self.programs_version)
        if self.folder.exists() and data != installed:
            raise StackError(
                f"postgres: {self.folder / 'PG_VERSION'}: major version must be {installed}, that of {self.programs},"
                f" was {data or 'missing'}: install Postgres {data or installed}, or {datafolder.remedy(self.settings)}"
            )

    @property
    def programs_version(self) -> str:
        """Major version of the programs that would run."""
        asked = subprocess.run(
            [self.programs / "postgres", "-V"], capture_output=True, text=True, timeout=10, check=True
        )
        return asked.stdout.split()[2].partition(".")[0]

    def prepare(self) -> None:
        self._end_orphans()
        if not self.folder.exists():
            self._initialise()

    def command(self) -> list[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.settings.postgres_port,
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "max_connections": 50,
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        return [str(self.programs / "postgres"), "-D", str(self.folder), *(f"-c{k}={v}" for k, v in options.items())]

    def fault(self, seconds: float) -> str | None:
        try:
            with psycopg.connect(
                host="127.0.0.1",
                port=self.settings.postgres_port,
                dbname=self.settings.database,
                user=self.settings.owner,
                password=datafolder.password(self.settings),
                connect_timeout=max(2, round(seconds)),
            ) as connection:
                connection.execute("SELECT 1")
        except (psycopg.Error, StackError) as error:
            return str(error).strip().splitlines()[-1]
        return None

    def _data_major(self) -> int | None:
        try:
            return int((self.folder / "PG_VERSION").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _end_orphans(self) -> None:
        """
        Ends server processes that outlived a killed postmaster, and removes its lock file if nobody holds it.

        They hold the shared memory for a moment, and the new server would refuse to start. A server process is known by
        the folder it runs in. The lock file's pid may by now be anybody's.
        """
        orphans = [each for each in psutil.process_iter(["name", "cwd"]) if _is_server_in(each, self.folder)]
        for each in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGQUIT)
        _, left = psutil.wait_procs(orphans, timeout=5)
        for each in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(left, timeout=5)
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def _initialise(self) -> None:
        """Made beside its place, database included, and then moved there: it is there whole or not at all."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        draft = self.folder.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        secret = draft.with_name("postgres.secret")
        secret.touch(mode=0o600)
        secret.write_text(datafolder.password(self.settings))
        if self.owner:
            for path in (draft, secret):
                os.chown(path, self.owner.user, self.owner.group)
        try:
            who = ["--username", self.settings.owner, "--pwfile", str(secret), "--auth", "scram-sha-256"]
            self._run(["initdb", "-D", str(draft), *who, "--encoding", "UTF8", "--no-locale"], folder=draft)
            create = f'CREATE DATABASE "{self.settings.database}" OWNER "{self.settings.owner}"\n'
            self._run(["postgres", "--single", "-D", str(draft), "template1"], folder=draft, text=create)
        finally:
            secret.unlink()
        draft.rename(self.folder)

    def _run(self, command: list[str], *, folder: Path, text: str = "") -> None:
        done = subprocess.run(
            [str(self.programs / command[0]), *command[1:]],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            input=text,
            capture_output=True,
            text=True,
            timeout=self.settings.start_seconds_max,
            check=False,
            user=self.owner.user if self.owner else None,
            group=self.owner.group if self.owner else None,
            extra_groups=[] if self.owner else None,
        )
        # In single-user mode a failed statement is only a line on standard error.
        if done.returncode != 0 or "ERROR:" in done.stderr or "FATAL:" in done.stderr:
            raise StackError(
                f"postgres: {command[0]} failed in {folder}: {(done.stderr or done.stdout).strip()[-500:]}"
            )


def default_folder(settings: StackSettings) -> Path:
    """
    Inside the data folder, unless Postgres runs as a user who cannot get there.

    Postgres refuses to run as root, and root's home is closed to everybody else.
    """
    inside = settings.data_folder / "postgres"
    if _unprivileged_user() is None or all(_open_to_all(parent) for parent in settings.data_folder.parents):
        return inside
    name = sha256(str(settings.data_folder.resolve()).encode()).hexdigest()[:12]
    return datafolder.OUTSIDE_FOLDER / name / "postgres"


def _open_to_all(folder: Path) -> bool:
    return not folder.exists() or bool(folder.stat().st_mode & 0o001)


def _unprivileged_user() -> Owner | None:
    """Whom the server runs as where we are root; None where we are not."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED_USERS:
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return Owner(user.pw_uid, user.pw_gid)
    raise StackError(f"postgres: refuses to run as root, and this machine has none of the users {UNPRIVILEGED_USERS}")


def _is_server_in(candidate: psutil.Process, folder: Path) -> bool:
    return bool(candidate.info["name"] == "postgres" and candidate.info["cwd"] == str(folder.resolve()))

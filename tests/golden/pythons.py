"""
`python -m tests.golden.pythons`: the digests of the corpus by every interpreter found on this machine; what ran is listed.

An interpreter other than this one gets a virtual environment in `.stack/pythons`, with the locked packages. Exit code 1 where one
found other digests; one that cannot have the packages is listed with the reason.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.golden.corpus import recorded_digests

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".stack" / "pythons"
MINORS = range(11, 16)
_SECONDS_MAX = 600
_PROGRAM = """
import json
from streams.log.layout import Layout
from streams.operate.runtime import STAGES
from streams.replay.verification.verify import verify
from tests.golden.corpus import archived, digests_of, goldens
found = {}
for name, golden in goldens().items():
    log, codec = archived(name)
    assert verify(log, golden.settings, codec, tuple(STAGES.values())).equal, name
    found[name] = digests_of(log, codec, Layout.of(golden.settings))
print(json.dumps(found))
"""


class Interpreter(NamedTuple):
    """`path` runs the program where `ready`; else it is a bare interpreter."""

    version: str
    path: str
    ready: bool


def interpreters() -> list[Interpreter]:
    """This interpreter, and one of each other version that is on the path or in pyenv."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = {own: Interpreter(own, sys.executable, ready=True)}
    for minor in MINORS:
        version = f"3.{minor}"
        path = shutil.which(f"python{version}")
        if version in found or path is None or _version(path) != version:
            continue
        ready = ENVIRONMENTS / version / "bin" / "python"
        found[version] = Interpreter(version, str(ready), ready=True) if ready.exists() else Interpreter(version, path, ready=False)
    return list(found.values())


def digests_by(path: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """The corpus replayed by an interpreter that has the packages."""
    done = subprocess.run(
        [path, "-c", _PROGRAM], cwd=ROOT, env=dict(environment), capture_output=True, text=True, timeout=_SECONDS_MAX, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _version(path: str) -> str:
    """What it is, where it runs at all: a shim may stand for nothing."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    match = re.match(r"Python (\d+\.\d+)", done.stdout)
    return match[1] if done.returncode == 0 and match else ""


def _prepared(one: Interpreter) -> Interpreter | str:
    """The interpreter with the locked packages, or why it cannot have them."""
    folder = ENVIRONMENTS / one.version
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
    for words in (
        [one.path, "-m", "venv", str(folder)],
        [*pip, "--require-hashes", "-r", "requirements.lock"],
        [*pip, "-e", "."],
    ):
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=_SECONDS_MAX, check=False)
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            return (done.stderr or done.stdout).strip().splitlines()[-1]
    return Interpreter(one.version, str(python), ready=True)


def main() -> int:
    code = 0
    for one in interpreters():
        ready = one if one.ready else _prepared(one)
        if isinstance(ready, str):
            print(f"Python {one.version}: could not run, {ready}")
            continue
        equal = digests_by(ready.path, dict(os.environ)) == recorded_digests()
        print(f"Python {one.version}: {'the committed digests' if equal else 'OTHER digests'}")
        code = code or int(not equal)
    return code


if __name__ == "__main__":
    sys.exit(main())

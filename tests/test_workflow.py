"""The GitHub workflow: its jobs, that actionlint finds nothing, and that its make targets exist."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
# As `make actionlint` pins it.
ACTIONLINT = ROOT / ".stack" / "tools-go" / "actionlint"


def test_workflow_has_the_eight_jobs_and_tests_on_both_pythons() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    assert list(jobs) == ["lint", "format", "type", "test", "secret-scan", "security", "dependencies", "docs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12"]


def test_every_make_target_of_the_workflow_is_one() -> None:
    targets = set(re.findall(r"^([a-z][a-z -]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = {name for line in targets for name in line.split()}
    asked = set(re.findall(r"make ([a-z-]+)", WORKFLOW.read_text(encoding="utf-8").split("jobs:")[1]))
    assert asked and asked <= named, asked - named


def test_actionlint_finds_nothing() -> None:
    program = shutil.which("actionlint") or (str(ACTIONLINT) if ACTIONLINT.exists() else None)
    if program is None:
        pytest.skip("no actionlint here: `make actionlint` builds it where there is Go")
    done = subprocess.run([program, "-no-color", str(WORKFLOW)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout

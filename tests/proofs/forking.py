"""
A pytest plugin (`-p tests.proofs.forking`) that collects the tests once and then, for each mutant it is told of, forks a child that
has the wrong change in memory and runs the tests that reach it, until the first fails.

Only what stands inside of functions can be put into a process that has imported everything already; for the rest the answer is None,
and whoever asked runs the tests on the changed files in a process of its own.
"""

import gc
import importlib
import os
import resource
import select
import signal
import sys
from collections.abc import Iterable
from inspect import CO_OPTIMIZED
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import pytest

PIPE = "MUTANTS_PIPE"
# A mutant may loop for ever and keep what it makes.
MUTANT_SECONDS = 1800
MEMORY_BYTES = 6 << 30

HELD, FAILED, ENDLESS = "held", "failed", "endless"


class Asked(NamedTuple):
    """
    A file by its path from the root of the tree, as it was and as it is to be, and the tests to run on that, in order.

    With each test the most it may take: seconds of the processor, which others' work does not use up.
    """

    path: str
    before: str
    after: str
    tests: dict[str, float]


class Forking:
    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        # Everything is imported as it was.
        self._pipe.send(len(items))
        while True:
            try:
                asked: Asked = self._pipe.recv()
            except EOFError:
                return True
            self._pipe.send(self._answer(session, asked, {items[name]: most for name, most in asked.tests.items()}))

    def _answer(self, session: pytest.Session, asked: Asked, items: dict[pytest.Item, float]) -> str | None:
        changes = changed_functions(asked.path, asked.before, asked.after)
        if changes is None:
            return None
        child = os.fork()
        if not child:
            try:
                os._exit(_run(session, asked.path, changes, items))
            finally:
                os._exit(1)  # What raised is noticed as well.
        return _end_of(child)


def _run(session: pytest.Session, path: str, changes: "Changes", items: dict[pytest.Item, float]) -> int:
    """In the child: 0 where every test holds."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    # What is compiled of the changed file must not stay for the next one.
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    for function, code in changes:
        function.__code__ = code
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    for value in vars(module).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()
    for item, after in zip(items, [*list(items)[1:], None], strict=True):
        # What is still going on then ends the child by SIGPROF.
        signal.setitimer(signal.ITIMER_PROF, items[item])
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if session.testsfailed:
            return 1
    return 0


def _end_of(child: int) -> str:
    handle = os.pidfd_open(child)
    try:
        ended, _, _ = select.select([handle], [], [], MUTANT_SECONDS)
        if not ended:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    finally:
        os.close(handle)
    if not ended or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF):
        return ENDLESS
    return FAILED if status else HELD


Changes = list[tuple[FunctionType, CodeType]]


def changed_functions(path: str, before: str, after: str) -> Changes | None:
    """The functions of the imported file that other code is to take the place of; None where it is not in functions that it differs."""
    file = str(Path(path).resolve())
    pairs = _differing(compile(before, file, "exec"), compile(after, file, "exec"))
    if not pairs:
        return None
    there = [one for one in gc.get_objects() if isinstance(one, FunctionType) and one.__code__.co_filename == file]
    changes: Changes = []
    for old, new in pairs:
        found = [function for function in there if function.__code__ == old]
        if not found or old.co_freevars != new.co_freevars:
            return None
        changes += [(function, new) for function in found]
    return changes


def _differing(old: CodeType, new: CodeType) -> list[tuple[CodeType, CodeType]] | None:
    """Old and new code of the functions that differ; None where a module or a class itself does."""
    olds, news = list(_nested(old)), list(_nested(new))
    if _own(old) != _own(new) or len(olds) != len(news):
        return None
    found = []
    for one, other in zip(olds, news, strict=True):
        if one.co_flags & CO_OPTIMIZED:
            if _whole(one) != _whole(other):
                found.append((one, other))
        else:
            inside = _differing(one, other)
            if inside is None:
                return None
            found += inside
    return found


def _nested(code: CodeType) -> Iterable[CodeType]:
    return (constant for constant in code.co_consts if isinstance(constant, CodeType))


def _own(code: CodeType) -> tuple[Any, ...]:
    # By their text, because 1 equals True.
    constants = [repr(constant) for constant in code.co_consts if not isinstance(constant, CodeType)]
    return code.co_name, code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, constants


def _whole(code: CodeType) -> tuple[Any, ...]:
    return _own(code), [_whole(one) for one in _nested(code)]


def pytest_configure(config: pytest.Config) -> None:
    if PIPE in os.environ:
        config.pluginmanager.register(Forking(Connection(int(os.environ[PIPE]))))

"""Fixtures for tests on real services: one stack for each run, on free ports, gone when the run is."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator

import pytest

from streams.errors import StackError
from streams.operate.stack import PART_NAMES, Endpoints, Stack
from tests.reaper import reaped_stack


@pytest.fixture(scope="session")
def run_stack() -> Iterator[Stack]:
    """The run's stack with nothing started; tests ask for `kafka` or `stack` instead."""
    with reaped_stack() as stack:
        yield stack


@pytest.fixture(scope="session")
def kafka(run_stack: Stack) -> Endpoints:
    """A real broker, shared by the run: only `bootstrap` answers. Sessions keep tests apart, see `fresh_session`."""
    return _up(run_stack, ["kafka"]).endpoints()


@pytest.fixture(scope="session")
def lone_kafka() -> Iterator[Endpoints]:
    """A broker that no sink reads, for tests that write records without a registry's schema ids: a sink would take them for others."""
    with reaped_stack() as stack:
        yield _up(stack, ["kafka"]).endpoints()


@pytest.fixture(scope="session")
def stack(run_stack: Stack) -> Stack:
    """All parts, shared by the run; a test that ends one brings it back with `stack.up()`."""
    return _up(run_stack, PART_NAMES)


@pytest.fixture
def fresh_session(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Names for sessions that no other test uses, with the test's own name in front."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))[:24].strip("-")
    return lambda: f"{words}-{secrets.token_hex(3)}"


def _up(stack: Stack, parts: list[str] | tuple[str, ...]) -> Stack:
    try:
        stack.up(parts)
    except StackError as error:
        # The message says what to do; the traceback would only hide it.
        pytest.fail(str(error), pytrace=False)
    return stack

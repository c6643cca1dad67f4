"""Java for the run, as the contract's tests ask it."""

from collections.abc import Iterator

import pytest

from streams.operate.stack import Stack, StackSettings
from tests.contract.java_decoders import JavaDecoders, converter_settings, java_decoders


@pytest.fixture(scope="session")
def java() -> Iterator[JavaDecoders]:
    """Avro's own reader and check: no stack is needed."""
    with java_decoders(StackSettings()) as found:
        yield found


@pytest.fixture(scope="session")
def converter(java: JavaDecoders, run_stack: Stack) -> JavaDecoders:
    """The same, with the worker's value converter on the run's registry."""
    run_stack.up(["registry"])
    java.configure(converter_settings(run_stack.settings))
    return java

"""
Records that watch who reads them: a field that its reader has not declared raises, and what is read is noted.

A guarded record is of a subclass of its struct, so that code under test cannot tell. Structs within lists are guarded as well.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from streams.domain import records as r
from streams.domain.parameters import SessionSettings
from streams.log.codec import Codec, SchemaIds
from streams.stages.contract import Event, Output, StageFactory

Declared = dict[str, frozenset[str]]  # record name -> fields, dotted where within a list

# Fields whose items are structs of their own.
_WITHIN = {"MarketData": ("trades", "bids", "asks"), "Mark": ("depth",)}


class Undeclared(AssertionError):
    """A reader has read what it does not say that it reads."""


class Guard:
    """Watches one reader. `declared` None only notes."""

    def __init__(self, reader: str, declared: Declared | None = None) -> None:
        self.reader, self.declared = reader, declared
        self.read: set[str] = set()
        self._kinds: dict[tuple[type, str], type] = {}

    def record(self, record: Any) -> Any:
        """The same record, watched."""
        return self._watched(record, type(record).__name__)

    def unwatched(self, record: Any) -> Any:
        """The record as it was before it was watched; nobody has read it by this."""
        if type(record) not in self._kinds.values():
            return record
        values = dict(zip(record.__struct_fields__, msgspec.structs.astuple(record), strict=True))
        for name in _WITHIN.get(type(record).__name__, ()):
            values[name] = [self.unwatched(item) for item in values[name]]
        return type(record).__bases__[0](**values)

    def _watched(self, struct: Any, path: str) -> Any:
        values = {name: getattr(struct, name) for name in struct.__struct_fields__}
        for name in _WITHIN.get(path, ()):
            values[name] = [self._watched(item, f"{path}.{name}") for item in values[name]]
        return self._kind(type(struct), path)(**values)

    def _kind(self, kind: type, path: str) -> type:
        found = self._kinds.get((kind, path))
        if found is None:
            found = self._kinds[kind, path] = self._made(kind, path)
        return found

    def _made(self, kind: type, path: str) -> type:
        names = frozenset(kind.__struct_fields__)  # type: ignore[attr-defined]
        note = self._note
        plain: Any = kind.__getattribute__

        def watched(self: Any, name: str) -> Any:
            if name in names:
                note(path, name)
            return plain(self, name)

        def equal(self: Any, other: Any) -> Any:
            # Whole records are compared by whatever fields there are; a struct is never equal to one of a subclass.
            return msgspec.structs.astuple(self) == msgspec.structs.astuple(other) if isinstance(other, kind) else NotImplemented

        def unequal(self: Any, other: Any) -> Any:
            return not equal(self, other)

        own = {"__getattribute__": watched, "__eq__": equal, "__ne__": unequal, "__hash__": kind.__hash__}
        return msgspec.defstruct(kind.__name__, [], bases=(kind,), frozen=True, gc=False, eq=False, namespace=own)

    def _note(self, path: str, name: str) -> None:
        record, _, within = path.partition(".")
        field = f"{within}.{name}" if within else name
        if self.declared is not None and field not in self.declared.get(record, frozenset()):
            raise Undeclared(f"{self.reader} reads {record}.{field}, and schemas/readers.toml does not say so")
        self.read.add(f"{record}.{field}")


def guarded_stages(stages: tuple[StageFactory, ...], guards: dict[str, Guard]) -> tuple[StageFactory, ...]:
    """The same stages, each stepping records that its guard watches."""
    return tuple(_guarded(stage, guards) for stage in stages)


@cache
def _subclass(stage: Any, guard: Guard) -> Any:
    class Watched(stage):  # type: ignore[misc]
        def step(self, state: Any, event: Event) -> tuple[Any, list[Output]]:
            watched = event if event.record is None else event._replace(record=guard.record(event.record))
            return super().step(state, watched)  # type: ignore[no-any-return]

    Watched.__name__ = stage.__name__
    return Watched


def _guarded(stage: Any, guards: dict[str, Guard]) -> StageFactory:
    def made(settings: SessionSettings, number: int) -> Any:
        return _subclass(stage, guards[stage.name])(settings, number)

    return made


def unwatched_stages(stages: tuple[StageFactory, ...], guard: Guard) -> tuple[StageFactory, ...]:
    """The same stages, each stepping records as they were, whoever watches their host."""
    return tuple(_unwatched(stage, guard) for stage in stages)


def _unwatched(stage: Any, guard: Guard) -> StageFactory:
    class Bare(stage):  # type: ignore[misc]
        def step(self, state: Any, event: Event) -> tuple[Any, list[Output]]:
            bare = event if event.record is None else event._replace(record=guard.unwatched(event.record))
            return super().step(state, bare)  # type: ignore[no-any-return]

    return Bare


class GuardedCodec(Codec):
    """
    A codec whose records are watched by the guard of who decodes them. Those that stages take (`valid`) are theirs: readers who run
    them again are not held to what stages read; `valid_too` watches them as well, for who hands them on.
    """

    def __init__(self, guard: Guard, watches: Callable[[r.Record], bool] = lambda _: True, *, valid_too: bool = False) -> None:
        super().__init__(SchemaIds.offline())
        self._guard, self._watches = guard, watches
        self._plain, self._valid_too = Codec.offline(), valid_too

    def decode(self, raw: bytes, expected: type[r.Record] | None = None) -> r.Record:
        record = super().decode(raw, expected)
        return self._guard.record(record) if self._watches(record) else record

    def valid(self, raw: bytes, expected: type[r.Record]) -> r.Record:
        record = self._plain.valid(raw, expected)
        return self._guard.record(record) if self._valid_too else record

    def wire(self, record: r.Record) -> bytes:
        """A watched record that is handed on is written as it came."""
        return super().wire(self._guard.unwatched(record))

"""
Commands that are imported when they are asked for: what one command needs, no other waits for.

Listing them (`--help`, a name that is none) imports all of them.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup


def later(places: Mapping[str, str]) -> type[TyperGroup]:
    """The class of a group whose commands stand at `places`: by name, "module:function", or "module:app" of a group of its own."""

    class Later(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return list(places)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name in places and cmd_name not in self.commands:
                self.commands[cmd_name] = _command(cmd_name, places[cmd_name])
            return self.commands.get(cmd_name)

    return Later


def _command(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_group(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        command = typer.main.get_command(alone)
    command.name = name
    return command

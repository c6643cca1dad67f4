"""
The compose file as data, so that tests start the very services that it describes: image, user, command, settings, health check.

Read as far as this one file goes: variables with defaults, anchors, and short ports; an option that is not carried over to the
test's containers (restarts, logging) stands in `NOT_CARRIED`, and an unknown one fails.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

PROJECT_FOLDER = Path(__file__).resolve().parents[2]
COMPOSE_FILE = PROJECT_FOLDER / "docker-compose.kafka.yml"
CARRIED = {
    "image", "user", "command", "environment", "ports", "secrets", "healthcheck", "cap_drop", "security_opt", "read_only",
    "tmpfs", "shm_size", "stop_signal", "entrypoint", "networks", "mem_limit", "pids_limit",
    "volumes",
}  # fmt: skip
# Containers of a test are thrown away with their data, and started, restarted and removed by hand.
NOT_CARRIED = {"build", "container_name", "depends_on", "logging", "profiles", "restart", "stop_grace_period"}

_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::-([^}]*))?\})")


class Port(NamedTuple):
    """A port of a container and where this machine reaches it; `address` is empty where the file says none."""

    address: str
    host: int
    container: int


def variables() -> dict[str, str]:
    """Every variable that the file asks for, with its default."""
    return {name: default for _, name, default in _VARIABLE.findall(COMPOSE_FILE.read_text()) if name}


def document(values: Mapping[str, str]) -> dict[str, Any]:
    """The whole file with these variables, defaults for the rest."""

    def value(match: re.Match[str]) -> str:
        escaped, name, default = match.groups()
        return "$" if escaped else values.get(name, default or "")

    found = yaml.safe_load(_VARIABLE.sub(value, COMPOSE_FILE.read_text()))
    assert isinstance(found, dict)
    return found


def services(values: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Each service's options by its name."""
    found: dict[str, dict[str, Any]] = document(values)["services"]
    for name, options in found.items():
        unknown = options.keys() - CARRIED - NOT_CARRIED
        assert not unknown, f"{name} has options that the tests do not know: {', '.join(sorted(unknown))}"
    return found


def ports(service: Mapping[str, Any]) -> list[Port]:
    """The published ports of a service."""
    split = [str(text).rpartition(":") for text in service.get("ports", ())]
    places = [(place.rpartition(":"), container) for place, _, container in split]
    return [Port(address, int(host), int(container)) for (address, _, host), container in places]


def aliases(service: Mapping[str, Any]) -> list[str]:
    """The service's further names on the network."""
    networks = service["networks"]
    return [name for one in networks.values() for name in one["aliases"]] if isinstance(networks, dict) else []


def seconds(text: str) -> float:
    """A duration such as 3s or 2m."""
    return float(text[:-1]) * {"s": 1, "m": 60}[text[-1]]

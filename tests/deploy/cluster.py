"""
The services of the compose file as containers of a test: own network, free ports on 127.0.0.1, images out of local files.

Nothing is pulled and no helper container runs; the containers go with the test run. Those of a run that was killed go when the
next one starts: their label says whose they are.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import docker
import psutil
from docker.errors import DockerException
from docker.types import Healthcheck
from pydantic import SecretStr
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import HealthcheckWaitStrategy

from streams.operate.alerting.channels import Channels, configuration
from streams.operate.stack import Endpoints
from streams.operate.stack.settings import free_ports
from tests.deploy import compose

BUILD = compose.PROJECT_FOLDER / "deploy" / "images" / "local" / "build"
BUILD_SECONDS_MAX = 300
HEALTHY_SECONDS_MAX = 180
# Docker asks this often; the compose file's own interval is for services that stay.
HEALTH_INTERVAL_S = 0.5
OWNER = "cdb.tests.pid"
STOP_S = 30
PORTS = (
    "KAFKA_PORT", "REGISTRY_PORT", "CONNECT_PORT", "POSTGRES_PORT", "FEED_PORT", "SIGNALS_PORT", "RISK_PORT", "EXECUTION_PORT",
    "PROMETHEUS_PORT", "ALERTMANAGER_PORT", "LAG_PORT",
)  # fmt: skip

# Its helper image could not be pulled; what it does is done here.
testcontainers_config.ryuk_disabled = True


def engine_lack() -> str | None:
    """What is missing to run containers here; None where nothing is."""
    if shutil.which("docker") is None:
        return "the docker command is not installed (apt-get install docker.io)"
    try:
        client = docker.from_env(timeout=10)
        client.ping()
        client.close()
    except DockerException as error:
        return f"no Docker engine answers (.ci/run starts one where it is root): {str(error)[:200]}"
    return None


def images(*names: str) -> dict[str, str]:
    """The images by the compose file's variables, built where they are not there yet. Raises: AssertionError saying why not."""
    done = subprocess.run([BUILD, *names], capture_output=True, text=True, timeout=BUILD_SECONDS_MAX, check=False)
    assert done.returncode == 0, f"{BUILD.name} {' '.join(names)} failed: {done.stderr.strip()[-2000:]}"
    return dict(line.split("=", 1) for line in done.stdout.split())


class Cluster:
    """Services of one compose file; `start` brings them up in the order given, each healthy before the next begins."""

    def __init__(self, image_variables: dict[str, str], secrets_folder: Path) -> None:
        # The folder keeps others out; the file itself is mounted for users of the containers.
        secrets_folder.chmod(0o700)
        self._password = secrets.token_urlsafe(16)
        (secrets_folder / "postgres_password").write_text(self._password)
        (secrets_folder / "alertmanager").write_text(configuration(Channels()))
        self._secrets = secrets_folder
        free = [str(port) for port in free_ports(len(PORTS))]
        self.variables = {**image_variables, **dict(zip(PORTS, free, strict=True))}
        self.services = compose.services(self.variables)
        self.containers: dict[str, DockerContainer] = {}
        self._network = Network(docker_network_kw={"labels": {OWNER: str(os.getpid())}})
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        remove_orphans()
        self._resources.enter_context(self._network)
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def start(self, *names: str) -> None:
        """The services are healthy when this returns. Raises: AssertionError with what one that is not wrote last."""
        for name in names:
            self._begin(name)
            self.await_health(name)

    def run(self, name: str) -> tuple[int, str]:
        """A service that does its work and ends: its exit code and what it wrote."""
        container = self._begin(name)
        code = int(container.get_wrapped_container().wait(timeout=HEALTHY_SECONDS_MAX)["StatusCode"])
        return code, container.get_wrapped_container().logs().decode(errors="replace")

    def stop(self, name: str) -> int:
        """As `docker stop`: asked politely and given time; its exit code."""
        container = self.containers[name].get_wrapped_container()
        container.stop(timeout=STOP_S)
        return int(container.wait(timeout=STOP_S)["StatusCode"])

    def await_health(self, name: str) -> None:
        """Healthy when this returns. Raises: AssertionError with its last words."""
        container = self.containers[name]
        try:
            HealthcheckWaitStrategy().with_startup_timeout(HEALTHY_SECONDS_MAX).with_poll_interval(0.2).wait_until_ready(container)
        except (TimeoutError, RuntimeError) as error:
            last = container.get_wrapped_container().logs(tail=30).decode(errors="replace")
            raise AssertionError(f"{name} is not healthy: {error}\n{last}") from error

    def kill(self, name: str) -> None:
        """SIGKILL: the service had no time for anything."""
        self.containers[name].get_wrapped_container().kill()

    def start_again(self, name: str) -> None:
        """A killed service as Docker's restart brings it back: the same container with its data."""
        self.containers[name].get_wrapped_container().start()
        self.await_health(name)

    def endpoints(self) -> Endpoints:
        """Where this machine reaches the services."""
        ports = {name: int(self.variables[name]) for name in PORTS}
        registry = f"http://127.0.0.1:{ports['REGISTRY_PORT']}"
        return Endpoints(
            bootstrap=f"127.0.0.1:{ports['KAFKA_PORT']}",
            registry_url=registry,
            registry_health_url=f"{registry}/health/ready",
            connect_url=f"http://127.0.0.1:{ports['CONNECT_PORT']}",
            postgres_host="127.0.0.1",
            postgres_port=ports["POSTGRES_PORT"],
            postgres_database="claire_de_binare",
            postgres_user="claire",
            postgres_password=SecretStr(self._password),
            secrets_folder=self._secrets,
        )

    def _begin(self, name: str) -> DockerContainer:
        container = self._container(name)
        self._resources.enter_context(container)
        self.containers[name] = container
        return container

    def _container(self, name: str) -> DockerContainer:
        service = self.services[name]
        container = DockerContainer(service["image"], command=service.get("command"), env=_environment(service))
        container.with_network(self._network).with_network_aliases(name, *compose.aliases(service))
        for port in compose.ports(service):
            # Docker itself takes an address with the port; testcontainers' annotation does not know it.
            container.ports[f"{port.container}/tcp"] = (port.address, port.host)  # type: ignore[assignment]
        for secret in service.get("secrets", ()):
            container.with_volume_mapping(self._secrets / secret, f"/run/secrets/{secret}")
        for folder in service.get("tmpfs", ()):
            container.with_tmpfs_mount(folder)
        for volume in service.get("volumes", ()):
            source, target, *how = volume.split(":")
            if source.startswith("."):
                container.with_volume_mapping(compose.PROJECT_FOLDER / source, target, *how)
            elif service.get("read_only"):
                # What it keeps goes with the container; the image's own folder, which others write to, cannot be written to.
                user, _, group = service["user"].partition(":")
                container.with_tmpfs_mount(target, f"uid={user},gid={group}")
        carried = ("entrypoint", "user", "cap_drop", "security_opt", "read_only", "shm_size", "stop_signal", "mem_limit", "pids_limit")
        return container.with_kwargs(
            **{option: service[option] for option in carried if option in service},
            labels={OWNER: str(os.getpid())},
            healthcheck=_healthcheck(service.get("healthcheck")),
        )


def remove_orphans() -> None:
    """Removes containers and networks of test runs whose process is gone."""
    client = docker.from_env()
    for container in client.containers.list(all=True, filters={"label": OWNER}):
        if not psutil.pid_exists(int(container.labels[OWNER])):
            container.remove(force=True, v=True)
    for network in client.networks.list(filters={"label": OWNER}):
        if not psutil.pid_exists(int(network.attrs["Labels"][OWNER])):
            network.remove()
    client.close()


def _environment(service: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in service.get("environment", {}).items()}


def _healthcheck(found: dict[str, Any] | None) -> Healthcheck | None:
    if found is None:
        return None
    nanoseconds = 1_000_000_000
    return Healthcheck(
        test=found["test"],
        interval=int(HEALTH_INTERVAL_S * nanoseconds),
        timeout=int(compose.seconds(found["timeout"]) * nanoseconds),
        # How long it may take is `await_health`'s to say.
        retries=1000,
        start_period=int(compose.seconds(found["start_period"]) * nanoseconds),
    )

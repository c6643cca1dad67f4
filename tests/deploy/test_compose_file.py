"""What the compose file promises, read without an engine: who may reach a service, as whom it runs, what it waits for."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml

from streams.operate.alerting.channels import Channels, configuration
from tests.deploy import compose

PARTS = {
    "cdb_kafka", "cdb_registry", "cdb_connect", "cdb_postgres", "cdb_prepare", "cdb_ws", "cdb_core", "cdb_risk", "cdb_execution",
    "cdb_timekeeper", "cdb_lag", "cdb_prometheus", "cdb_alertmanager", "cdb_grafana", "cdb",
}  # fmt: skip
# Two end when their work is done, the other answers nothing: it ends when it cannot work.
WITHOUT_HEALTH = {"cdb_prepare", "cdb", "cdb_timekeeper"}
SERVICES = compose.services({})

each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())


def test_every_part_is_a_service() -> None:
    assert set(SERVICES) == PARTS


@each_service
def test_service_is_reached_from_this_machine_only(service: dict[str, Any]) -> None:
    assert {port.address for port in compose.ports(service)} <= {"127.0.0.1"}
    assert "network_mode" not in service


@each_service
def test_service_runs_as_no_root_and_cannot_become_it(service: dict[str, Any]) -> None:
    assert service["user"].partition(":")[0] not in {"", "0", "root"}
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@each_service
def test_image_has_a_version(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z/-]+:v?\d+(\.\d+)+", service["image"]), service["image"]


def test_services_say_whether_they_are_healthy() -> None:
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == WITHOUT_HEALTH


def test_stages_start_after_everything_they_need_is_there() -> None:
    def waits_for(name: str) -> set[str]:
        direct: dict[str, dict[str, str]] = SERVICES[name].get("depends_on", {})
        assert {how["condition"] for how in direct.values()} <= {"service_healthy", "service_completed_successfully"}
        return set(direct).union(*(waits_for(each) for each in direct))

    for name in ("cdb_ws", "cdb_core", "cdb_risk", "cdb_execution", "cdb_timekeeper"):
        assert waits_for(name) == {"cdb_prepare", "cdb_kafka", "cdb_registry", "cdb_connect", "cdb_postgres"}
    # A sink that tolerates errors would skip valid rows while its converter finds no registry.
    assert "cdb_registry" in waits_for("cdb_connect")


def test_urls_name_services_as_java_understands_them() -> None:
    """A host name with an underscore is none to Java: the converter would find no registry, and the sink would skip every row."""
    known = {alias for service in SERVICES.values() for alias in compose.aliases(service)}
    hosts = re.findall(r"http://([^:/\"' ]+)", compose.COMPOSE_FILE.read_text())
    assert hosts
    # A health check asks its own container.
    assert set(hosts) <= known | {"127.0.0.1"}
    assert not any("_" in host for host in hosts)


def test_no_secret_is_a_setting() -> None:
    for name, service in SERVICES.items():
        for setting in service.get("environment", {}):
            secret = any(word in setting.lower() for word in ("password", "secret", "token"))
            assert not secret or setting.endswith("_FILE"), f"{name}: {setting}"
    assert all(set(where) == {"file"} for where in compose.document({})["secrets"].values())


def test_session_is_the_same_for_all_who_take_part_in_it() -> None:
    asked = compose.services({"SESSION": "monday"})
    assert asked["cdb_prepare"]["environment"]["SESSION"] == "monday"
    for name in ("cdb_ws", "cdb_core", "cdb_risk", "cdb_execution", "cdb_timekeeper"):
        command = asked[name]["command"]
        assert command[command.index("--session") + 1] == "monday"


def test_template_names_every_variable_with_its_default() -> None:
    template = (compose.PROJECT_FOLDER / ".env.template").read_text()
    named = dict(re.findall(r"^#(\w+)=(.*)$", template, re.MULTILINE))
    assert {name: value for name, value in named.items() if not name.startswith("CDB_")} == compose.variables()


def test_alertmanager_file_is_as_the_code_says() -> None:
    """Where this fails: `cdb alerts config --out deploy/prometheus/alertmanager.yml`."""
    file = compose.PROJECT_FOLDER / compose.document({})["secrets"]["alertmanager"]["file"]
    assert file.read_text() == configuration(Channels())


def test_prometheus_asks_services_where_they_listen() -> None:
    """Every service with a page of metrics is asked, at its own port and by its own name."""
    file = yaml.safe_load((compose.PROJECT_FOLDER / "deploy" / "prometheus" / "prometheus.yml").read_text())
    asked = {target for job in file["scrape_configs"] for one in job["static_configs"] for target in one["targets"]}
    known = {f"{name}:{port.container}" for name, service in SERVICES.items() for port in compose.ports(service)}
    assert asked <= known
    own_image = {name for name, service in SERVICES.items() if "cdb-app" in service["image"] and compose.ports(service)}
    assert own_image <= {target.partition(":")[0] for target in asked}
    [alertmanagers] = file["alerting"]["alertmanagers"]
    assert set(alertmanagers["static_configs"][0]["targets"]) <= known


def test_sources_of_grafana_are_services_by_the_names_they_have() -> None:
    file = compose.PROJECT_FOLDER / "deploy" / "grafana" / "provisioning" / "datasources" / "cdb.yaml"
    places = {re.sub(r"^http://", "", one["url"]) for one in yaml.safe_load(file.read_text())["datasources"]}
    known = {
        f"{alias}:{port.container}"
        for service in SERVICES.values() for alias in compose.aliases(service) for port in compose.ports(service)
    }  # fmt: skip
    assert places <= known


def test_mounted_folders_are_there_and_only_read() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source, _, rest = volume.partition(":")
            if source.startswith("."):
                assert (compose.PROJECT_FOLDER / source).is_dir(), volume
                assert rest.endswith(":ro"), volume


@each_service
def test_service_has_a_bound_on_memory_and_processes(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["pids_limit"] > 0


def test_containers_are_called_as_their_services() -> None:
    """As the earlier system's were; a second cluster beside the first puts a word before each."""
    names = {name: service.get("container_name") for name, service in SERVICES.items() if name != "cdb"}
    assert names == {name: name for name in PARTS - {"cdb"}}
    second = compose.services({"NAMES": "second-"})
    assert second["cdb_kafka"]["container_name"] == "second-cdb_kafka"


def test_image_has_what_the_project_needs_in_the_versions_that_were_tested() -> None:
    """`uv pip compile --universal --generate-hashes` of pyproject.toml, with the other lock as constraint and without its extra."""

    def locked(*place: str) -> dict[str, str]:
        text = compose.PROJECT_FOLDER.joinpath(*place, "requirements.lock").read_text()
        return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))

    image, whole = locked("deploy", "images", "app"), locked()
    assert image.items() <= whole.items()
    project = tomllib.loads((compose.PROJECT_FOLDER / "pyproject.toml").read_text())["project"]
    named = {re.match(r"[\w-]+", one)[0].lower() for one in project["dependencies"]}  # type: ignore[index]
    assert named <= image.keys()
    assert not {"pytest", "mypy", "playwright", "grpcio-tools"} & image.keys()

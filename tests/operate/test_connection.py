"""What the environment may say, and how a wrong word is answered."""

import pytest

from streams.errors import ConfigError
from streams.operate.connection import Connection


def test_environment_chooses_and_options_come_before_it() -> None:
    environment = {"CDB_BOOTSTRAP": "a:1", "CDB_LOG_FORMAT": "json", "HOME": "/"}
    connection = Connection.from_environment(environment, bootstrap="b:2", registry=None)
    assert (connection.bootstrap, connection.log_format) == ("b:2", "json")


def test_every_fault_is_reported_at_once_with_name_rule_and_value() -> None:
    environment = {"CDB_BOOTSTRAP": "nowhere", "CDB_LOG_LEVEL": "LOUD", "CDB_TIMEOUT_SECONDS": "900", "CDB_BOTSTRAP": "a:1"}
    with pytest.raises(ConfigError) as found:
        Connection.from_environment(environment)
    lines = str(found.value).splitlines()
    assert lines[:3] == [
        "CDB_BOOTSTRAP must be HOST:PORT, or several with commas between, was 'nowhere'",
        "CDB_LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR, was 'LOUD'",
        "CDB_TIMEOUT_SECONDS must be 6..300: after so long a broker counts as away, was '900'",
    ]
    assert lines[3].startswith("CDB_BOTSTRAP must be one of the known settings (CDB_BOOTSTRAP, ")
    assert found.value.exit_code == 2


def test_other_parts_own_names_are_left_to_them() -> None:
    Connection.from_environment({"CDB_STACK_KAFKA_PORT": "29092", "CDB_REQUIRE_DOCKER": "1"})

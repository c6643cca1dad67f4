"""What the environment may say, and how a wrong word is answered."""

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from streams.errors import ConfigError
from streams.log.credentials import Credentials
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


def test_postgres_takes_its_password_from_the_environment_or_a_file_but_never_from_its_address(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("o'pen\n")
    address = "postgresql://claire@127.0.0.1:5432/cdb"
    said = Connection.from_environment({"CDB_POSTGRES_PASSWORD": "s p"}, postgres=address).postgres_dsn()
    assert said is not None and conninfo_to_dict(said)["password"] == "s p" and conninfo_to_dict(said)["user"] == "claire"
    said = Connection.from_environment({"CDB_POSTGRES_PASSWORD_FILE": str(file), "CDB_POSTGRES": address}).postgres_dsn()
    assert said is not None and conninfo_to_dict(said)["password"] == "o'pen"
    assert Connection.from_environment({"CDB_POSTGRES_PASSWORD": "unused"}).postgres_dsn() is None


@pytest.mark.parametrize("address", ["postgresql://claire:hush@127.0.0.1/cdb", "host=a password=hush", "hush = = ="])
def test_password_in_an_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(ConfigError) as found:
        Connection.from_environment({}, postgres=address).postgres_dsn()
    assert str(found.value).startswith("CDB_POSTGRES must") and "hush" not in str(found.value)


def test_value_of_a_misspelled_password_is_not_shown() -> None:
    with pytest.raises(ConfigError) as found:
        Connection.from_environment({"CDB_POSTGRES_PASSWROD": "hush", "CDB_BOOTSTRAP": "nowhere"})
    assert "CDB_POSTGRES_PASSWROD must be one of" in str(found.value) and "hush" not in str(found.value)


def test_broker_that_asks_who_one_is_is_told_from_files_and_the_password_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("b2c3\n")
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    told = {
        "CDB_SECURITY": "sasl_ssl", "CDB_KAFKA_USERNAME": "cdb-risk", "CDB_KAFKA_PASSWORD_FILE": str(tmp_path / "password"),
        "CDB_KAFKA_AUTHORITIES": str(tmp_path / "ca.pem"),
    }  # fmt: skip
    found = Connection.from_environment(told).credentials()
    assert found == Credentials("cdb-risk", "b2c3", tmp_path / "ca.pem")
    assert "b2c3" not in repr(found)
    assert Connection.from_environment({}).credentials() is None
    for name in ("CDB_KAFKA_USERNAME", "CDB_KAFKA_PASSWORD_FILE", "CDB_KAFKA_AUTHORITIES"):
        with pytest.raises(ConfigError, match=f"{name} must be set where CDB_SECURITY is sasl_ssl, was not"):
            Connection.from_environment({key: value for key, value in told.items() if key != name}).credentials()
    (tmp_path / "password").unlink()
    with pytest.raises(ConfigError, match="CDB_KAFKA_PASSWORD_FILE must be readable, was .*: No such file"):
        Connection.from_environment(told).credentials()

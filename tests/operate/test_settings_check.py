"""Every setting is held against its rule, every secret against its length and its file's mode; the template says the same."""

from pathlib import Path

import pytest

from streams.operate.findings import Level, Verdict, verdict_of
from streams.operate.settings_check import GROUPS, WINDOWS, check_settings
from streams.operate.settings_template import TEMPLATE_FILE, template

SECRET = "a-secret-of-24-characters"


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """An environment in which everything holds, with a secret of its own."""
    (tmp_path / "open").mkdir(mode=0o755)
    file = tmp_path / "open" / "password"
    file.write_text(SECRET)
    file.chmod(0o600)
    return {
        "CDB_STACK_DATA_FOLDER": str(tmp_path / "data"), "CDB_POSTGRES": "postgresql://claire@db:5432/cdb",
        "CDB_POSTGRES_PASSWORD_FILE": str(file),
    }  # fmt: skip


def failed(environment: dict[str, str], **more: object) -> dict[str, str]:
    return {one.subject: one.detail for one in check_settings(environment, **more) if one.level is Level.FAIL}  # type: ignore[arg-type]


def test_every_setting_has_its_finding(surroundings: dict[str, str]) -> None:
    found = check_settings(surroundings)
    assert verdict_of(found) is Verdict.GO
    settings = {one.subject for one in found if one.check == "setting"}
    assert settings == {f"{group.prefix}{name.upper()}" for group in GROUPS for name in group.model.model_fields}
    assert {"CDB_BOOTSTRAP", "CDB_STACK_KAFKA_PORT", "CDB_ALERT_SMTP", "CDB_MEXC_KEY_FILE"} <= settings


def test_a_wrong_value_and_a_name_that_is_none_are_no_go_by_name(surroundings: dict[str, str]) -> None:
    found = failed({**surroundings, "CDB_TIMEOUT_SECONDS": "900", "CDB_STACK_KAFKA_PORT": "70000", "CDB_BOTSTRAP": "a:1"})
    assert set(found) == {"CDB_TIMEOUT_SECONDS", "CDB_STACK_KAFKA_PORT", "CDB_BOTSTRAP"}
    assert "6..300" in found["CDB_TIMEOUT_SECONDS"] and "70000" in found["CDB_STACK_KAFKA_PORT"]


def test_a_secret_that_others_can_read_is_no_go_and_on_windows_a_warning(surroundings: dict[str, str]) -> None:
    Path(surroundings["CDB_POSTGRES_PASSWORD_FILE"]).chmod(0o644)
    assert "was 644 in 755" in failed(surroundings)["CDB_POSTGRES_PASSWORD_FILE"]
    there = check_settings(surroundings, system=WINDOWS)
    assert verdict_of(there) is Verdict.GO
    assert [one.subject for one in there if one.level is Level.WARN] == ["CDB_POSTGRES_PASSWORD_FILE"]


def test_a_folder_that_keeps_others_out_keeps_its_files(surroundings: dict[str, str]) -> None:
    """As deploy/make-secrets leaves them: each container reads as a user of its own."""
    file = Path(surroundings["CDB_POSTGRES_PASSWORD_FILE"])
    file.chmod(0o644)
    file.parent.chmod(0o700)
    assert not failed(surroundings)


@pytest.mark.parametrize("length", [15, 16])
def test_a_secret_must_be_long_enough_and_is_never_shown(surroundings: dict[str, str], length: int) -> None:
    Path(surroundings["CDB_POSTGRES_PASSWORD_FILE"]).write_text(SECRET[:length] + "\n")
    found = check_settings({**surroundings, "CDB_POSTGRES_PASSWORD": SECRET[:length]})
    lengths = [one for one in found if one.check == "secret" and "characters" in one.detail]
    assert [one.level for one in lengths] == [Level.OK if length >= 16 else Level.FAIL] * 2
    assert not any(SECRET[:length] in one.detail for one in found)


def test_a_secrets_file_that_is_not_there_is_no_go(surroundings: dict[str, str]) -> None:
    assert "No such file" in failed({**surroundings, "CDB_POSTGRES_PASSWORD_FILE": "/nowhere/password"})["CDB_POSTGRES_PASSWORD_FILE"]


def test_an_address_that_holds_its_password_is_no_go_and_not_shown(surroundings: dict[str, str]) -> None:
    found = check_settings({**surroundings, "CDB_POSTGRES": f"postgresql://claire:{SECRET}@db:5432/cdb"})
    assert "must hold no password" in next(one.detail for one in found if one.subject == "CDB_POSTGRES" and one.level is Level.FAIL)
    assert not any(SECRET in one.detail for one in found)


def test_a_clusters_own_file_is_checked_too(surroundings: dict[str, str], tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "postgres_password").write_text(SECRET)
    file = tmp_path / ".env"
    file.write_text(f"# ours\nKAFKA_PORT=9092\nSECRETS_FOLDER={secrets}\nCDB_STACK_KAFKA_PORT=1\n")
    assert not failed(surroundings, env_file=file)
    file.write_text("KAFKA_PORT=99999\nSEED=many\nAPP_IMAGE=latest\nSESSION=bad name\nKAFKA_PROT=1\nSECRETS_FOLDER=nowhere\n")
    found = failed(surroundings, env_file=file)
    assert set(found) == {"KAFKA_PORT", "SEED", "APP_IMAGE", "SESSION", "SECRETS_FOLDER"}
    assert found["KAFKA_PORT"] == "must be a whole number 1..65535, was '99999'"


def test_the_template_in_the_project_is_the_one_the_settings_give() -> None:
    assert TEMPLATE_FILE.read_text() == template(), "run `cdb env template`"


def test_the_template_names_every_setting_with_its_default() -> None:
    lines = template().splitlines()
    assert "#CDB_TIMEOUT_SECONDS=20.0" in lines and "#CDB_STACK_DATA_FOLDER=./.stack/data" in lines
    for group in GROUPS:
        for name in group.model.model_fields:
            assert any(line.startswith(f"#{group.prefix}{name.upper()}=") for line in lines), name

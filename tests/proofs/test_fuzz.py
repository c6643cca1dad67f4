"""How many examples a property gets of the count that was asked for."""

from pathlib import Path

from tests.proofs.fuzz import COUNT, PLACES, SHARES, examples

PROJECT_FOLDER = Path(__file__).parents[2]


def test_properties_of_the_domain_and_of_records_on_their_way_get_the_whole_count() -> None:
    assert COUNT == 10_000
    assert examples("tests/domain/test_sizing.py::test_size_never_falls", COUNT, 100) == 10_000
    assert examples("tests/contract/test_codec.py::test_any_record_comes_back_as_it_was[Mark]", COUNT, 100) == 10_000
    assert examples("tests/contract/test_postgres.py::test_any_record_that_breaks_no_rule[Mark]", COUNT, 25) == 10_000


def test_costly_properties_get_a_share_but_never_less_than_in_the_suite_nor_more_than_asked_for() -> None:
    costly = "tests/simulation/test_event_time.py::test_any_schedule"
    assert examples(costly, 10_000, 12) == 50
    assert examples(costly, 200, 12) == 12
    assert examples(costly, 5, 12) == 5


def test_every_place_and_share_is_of_tests_that_exist() -> None:
    assert all((PROJECT_FOLDER / place).exists() for place in PLACES)
    for start in SHARES:
        file, _, name = start.partition("::")
        assert (PROJECT_FOLDER / file).exists()
        assert not name or f"def {name}" in (PROJECT_FOLDER / file).read_text()
        assert any(start.startswith(place) for place in PLACES)

"""Numbers inside JSON texts: as many digits as a jsonb column takes, and no more."""

import pytest

from streams.domain import records as r
from streams.domain.rules import JSON_DIGITS_MAX, broken_rule
from tests.contract.samples import sample


@pytest.mark.parametrize(("number", "rule"), [
    ("1.5", None),
    (f"1e{JSON_DIGITS_MAX - 1}", None),
    (f"1e{JSON_DIGITS_MAX}", "indicators_are_json_object"),
    (f"1e-{JSON_DIGITS_MAX + 1}", "indicators_are_json_object"),
    (f"0.{'1' * (JSON_DIGITS_MAX + 1)}", "indicators_are_json_object"),
])
def test_a_number_of_more_digits_than_fit_breaks_the_rule(number: str, rule: str | None) -> None:
    assert broken_rule(sample(r.Signal, indicators=f'{{"a":{number}}}')) == rule

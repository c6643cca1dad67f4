from streams.domain.instruments import Instruments, instrument_at, on_instrument
from streams.stages.state import decode_state, encode_state
from tests.domain.market import START, SYMBOL, D, make_instrument


def known(*records) -> Instruments:
    state = Instruments()
    for record in records:
        on_instrument(state, record)
    return state


def test_unknown_symbol_has_no_instrument():
    assert instrument_at(Instruments(), SYMBOL, START) is None


def test_version_holds_from_its_first_to_before_its_last_moment():
    state = known(make_instrument(START - 10, valid_from=START, valid_to=START + 5))
    assert [instrument_at(state, SYMBOL, START + after) is not None for after in (-1, 0, 4, 5)] == [
        False,
        True,
        True,
        False,
    ]


def test_later_version_replaces_the_earlier_one_from_its_date_on():
    old = make_instrument(START, tick_size=D("0.01"))
    new = make_instrument(START, valid_from=START + 100, tick_size=D("0.1"))
    state = known(new, old)
    assert [instrument_at(state, SYMBOL, START + after).tick_size for after in (99, 100)] == [D("0.01"), D("0.1")]


def test_same_date_again_corrects_the_version():
    state = known(make_instrument(START), make_instrument(START, tick_size=D(1)))
    assert instrument_at(state, SYMBOL, START).tick_size == 1
    assert len(state.versions[SYMBOL]) == 1


def test_versions_that_are_over_are_forgotten_and_coming_ones_kept():
    records = [make_instrument(START + n, valid_from=START + n) for n in range(50)]
    coming = make_instrument(START + 50, valid_from=START + 1000)
    state = known(*records, coming)
    assert [version.valid_from for version in state.versions[SYMBOL]] == [START + 49, START + 1000]


def test_state_decodes_to_what_was_encoded():
    state = known(make_instrument(), make_instrument(symbol="ETHUSDT", valid_to=START))
    assert decode_state(encode_state(state), Instruments) == state

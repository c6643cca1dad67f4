"""
Fees of paper fills: a rate on the filled notional, by liquidity side, paid in the quote asset.

Positive is paid. The instrument's own rates hold where the instrument is known, else the session's settings.
"""

from decimal import Decimal
from typing import NamedTuple

from streams.domain.money import amount
from streams.domain.parameters import ExecutionParameters
from streams.domain.records import Instrument, Liquidity


class FeeSchedule(NamedTuple):
    """Rates are fractions of 1; `asset` is what the fee is paid in."""

    maker_rate: Decimal
    taker_rate: Decimal
    asset: str

    def fee(self, notional: Decimal, liquidity: Liquidity) -> Decimal:
        """Rounded half to even at 12 places; `notional` is what was filled, never a reference."""
        assert liquidity is not Liquidity.NONE, "a fill takes or makes"
        return amount(notional * (self.maker_rate if liquidity is Liquidity.MAKER else self.taker_rate))


def fee_schedule(instrument: Instrument | None, settings: ExecutionParameters, *, currency: str) -> FeeSchedule:
    """What holds for `instrument`; `currency` is the fee asset where no instrument names its quote asset."""
    if instrument is None:
        return FeeSchedule(settings.maker_fee_rate, settings.taker_fee_rate, currency)
    return FeeSchedule(instrument.maker_fee_rate, instrument.taker_fee_rate, instrument.quote_asset)

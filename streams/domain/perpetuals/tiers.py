"""
Maintenance tiers: how large a position may be at each level, and what margin it must keep there.

A position stands in the first level that holds its whole size, and that level's rates hold for the whole of it (MEXC's
rule; Binance's, where each part pays its own level's rate, is not modelled: it asks for less). A level is bounded by
the position's value at entry (quote units) or by its quantity (base units), so the level of a position changes when it
is traded, never by the market.

MEXC states levels by increase: level n has the maintenance rate mmr + (n-1)·step, the initial rate imr + (n-1)·step
and holds up to base + (n-1)·step contracts.
"""

import json
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache

import msgspec

from streams.domain.money import ONE, ZERO, quotient


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """One level; exactly one maximum is given. Rates are fractions of the position's value at entry."""

    maximum_notional: Decimal | None = None  # quote units
    maximum_quantity: Decimal | None = None  # base units
    maintenance_margin_rate: Decimal
    initial_margin_rate: Decimal
    liquidation_fee_rate: Decimal | None = None  # where the exchange names one

    def holds(self, *, quantity: Decimal, notional: Decimal) -> bool:
        """Whether a position of that size (unsigned) is not above the maximum."""
        if self.maximum_quantity is not None:
            return quantity <= self.maximum_quantity
        assert self.maximum_notional is not None, "a tier has a maximum"
        return notional <= self.maximum_notional

    @property
    def leverage_max(self) -> Decimal:
        """The leverage at which exactly the initial rate is paid in, at 12 places."""
        return quotient(ONE, self.initial_margin_rate)


Tiers = tuple[Tier, ...]

_DECODER = msgspec.json.Decoder(Tiers)


@lru_cache(maxsize=4096)
def tiers_of(text: str) -> Tiers:
    """
    The levels in an `Instrument`'s JSON text, which is decoded once.

    Raises: ValueError where the text is no list of tiers (`msgspec.DecodeError` is one) or they break `tiers_fault`.
    """
    tiers = _DECODER.decode(text)
    fault = tiers_fault(tiers)
    if fault is not None:
        raise ValueError(fault)
    return tiers


def tiers_text(tiers: Tiers) -> str:
    """What `tiers_of` reads: rates and maxima as decimal texts in plain notation, without those that are not given."""
    levels = [
        {name: format(value, "f") for name in Tier.__struct_fields__ if (value := getattr(tier, name)) is not None}
        for tier in tiers
    ]
    return json.dumps(levels, separators=(",", ":"))


def tiers_fault(tiers: Iterable[Tier]) -> str | None:
    """What is wrong with the levels, or None; an empty list is none of a perpetual, and fine for spot."""
    last: Tier | None = None
    for number, tier in enumerate(tiers, 1):
        if (tier.maximum_notional is None) == (tier.maximum_quantity is None):
            return f"tier {number} must have one of maximum_notional and maximum_quantity"
        if not ZERO <= tier.maintenance_margin_rate <= tier.initial_margin_rate <= ONE or not tier.initial_margin_rate:
            return f"tier {number} must have 0 <= maintenance_margin_rate <= initial_margin_rate <= 1, above 0"
        if tier.liquidation_fee_rate is not None and not ZERO <= tier.liquidation_fee_rate < ONE:
            return f"tier {number} must have 0 <= liquidation_fee_rate < 1, was {tier.liquidation_fee_rate}"
        low = ZERO if last is None else (last.maximum_notional if tier.maximum_quantity is None else last.maximum_quantity)
        high = tier.maximum_notional if tier.maximum_quantity is None else tier.maximum_quantity
        assert high is not None
        if low is None or high <= low:
            return f"tier {number} must hold more than the one before, in the same unit"
        if last is not None and tier.maintenance_margin_rate < last.maintenance_margin_rate:
            return f"tier {number} must not have a lower maintenance_margin_rate than the one before"
        last = tier
    return None


def level_of(tiers: Tiers, *, quantity: Decimal, notional: Decimal) -> Tier | None:
    """The level of a position (unsigned sizes); None where it is larger than the last one holds."""
    for tier in tiers:
        if tier.holds(quantity=quantity, notional=notional):
            return tier
    return None


def increasing(
    *, levels: int, base_quantity: Decimal, quantity_step: Decimal, maintenance_margin_rate: Decimal,
    maintenance_step: Decimal, initial_margin_rate: Decimal, initial_step: Decimal,
    liquidation_fee_rate: Decimal | None = None,
) -> Tiers:
    """
    `levels` tiers by MEXC's rule: number n (from 1) holds base + (n-1)·step, its rates are rate + (n-1)·step.

    Quantities in base units: contracts × contract size.
    """
    return tuple(
        Tier(
            maximum_quantity=base_quantity + n * quantity_step,
            maintenance_margin_rate=maintenance_margin_rate + n * maintenance_step,
            initial_margin_rate=initial_margin_rate + n * initial_step, liquidation_fee_rate=liquidation_fee_rate,
        )
        for n in range(levels)
    )

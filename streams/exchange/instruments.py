"""
What can be traded, from versioned TOML files: one file for each venue, one entry for each symbol.

The files say what the exchange said; nothing here has a default for a price step or a fee. A file also holds the
venue's own spelling of each symbol, which is mapped to ours here, at the edge, and nowhere else.
"""

import tomllib
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streams.domain.ids import market_id
from streams.domain.perpetuals.tiers import Tier, Tiers, increasing, tiers_fault, tiers_text
from streams.domain.records import Instrument, InstrumentKind, InstrumentStatus
from streams.errors import ConfigError

# The file of a checkout; an installation names its own folder.
FOLDER = Path(__file__).parents[2] / "deploy" / "instruments"

Positive = Annotated[Decimal, Field(gt=0, le=Decimal("1e20"), decimal_places=12)]
NotNegative = Annotated[Decimal, Field(ge=0, le=Decimal("1e20"), decimal_places=12)]
Rate = Annotated[Decimal, Field(gt=-1, lt=1, decimal_places=12)]


class TierSpec(BaseModel):
    """One maintenance tier of a perpetual, up to a value (quote units) or a quantity (base units); see `Tier`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    maximum_notional: Positive | None = None
    maximum_quantity: Positive | None = None
    maintenance_margin_rate: Rate
    initial_margin_rate: Rate
    liquidation_fee_rate: Rate | None = None

    def tier(self) -> Tier:
        return Tier(**self.model_dump())


class RiskLimit(BaseModel):
    """
    A perpetual's tiers as MEXC states them (`riskLimitMode` INCREASE): volumes in contracts, see
    `streams.domain.perpetuals.tiers.increasing`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    levels: Annotated[int, Field(ge=1, le=1000)]
    base_volume: Positive
    volume_step: Positive
    maintenance_margin_rate: Rate
    maintenance_step: NotNegative
    initial_margin_rate: Rate
    initial_step: NotNegative
    liquidation_fee_rate: Rate | None = None

    def tiers(self, contract_size: Decimal) -> Tiers:
        return increasing(
            levels=self.levels, base_quantity=self.base_volume * contract_size,
            quantity_step=self.volume_step * contract_size, maintenance_margin_rate=self.maintenance_margin_rate,
            maintenance_step=self.maintenance_step, initial_margin_rate=self.initial_margin_rate,
            initial_step=self.initial_step, liquidation_fee_rate=self.liquidation_fee_rate,
        )


class SimulatedMarket(BaseModel):
    """What the simulated market starts a symbol with: quote units; quantities in base units."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    start_price: Positive
    level_quantity: Positive  # typical displayed quantity of a level
    trade_quantity: Positive  # typical quantity of a trade


class InstrumentSpec(BaseModel):
    """One symbol of a venue. Steps, minima and contract size as in `Instrument`; fees are fractions."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    exchange: Annotated[str, Field(min_length=1)]
    symbol: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    venue_symbol: str
    kind: InstrumentKind
    base_asset: str
    quote_asset: str
    tick_size: Positive
    lot_size: Positive
    quantity_min: NotNegative
    notional_min: NotNegative
    contract_size: Positive
    maker_fee_rate: Rate
    taker_fee_rate: Annotated[Decimal, Field(ge=0, lt=1, decimal_places=12)]
    leverage_max: Annotated[Decimal, Field(ge=1, le=1000)]
    tiers: tuple[TierSpec, ...] = ()
    risk_limit: RiskLimit | None = None  # in place of tiers
    status: InstrumentStatus = InstrumentStatus.ONLINE
    valid_from: Annotated[int, Field(ge=0)]  # µs
    valid_to: int | None = None
    market: SimulatedMarket | None = None

    @model_validator(mode="after")
    def validity_is_a_window(self) -> "InstrumentSpec":
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError(f"valid_to must be after valid_from ({self.valid_from}), was {self.valid_to}")
        return self

    @model_validator(mode="after")
    def tiers_are_of_perpetuals(self) -> "InstrumentSpec":
        if self.tiers and self.risk_limit is not None:
            raise ValueError("tiers must be empty where risk_limit is given")
        levels = self.levels
        if bool(levels) is not (self.kind is InstrumentKind.PERPETUAL):
            raise ValueError(f"tiers must be given for perpetuals and for nothing else, were {len(levels)} of a {self.kind}")
        fault = tiers_fault(levels)
        if fault is not None:
            raise ValueError(fault)
        return self

    @property
    def levels(self) -> Tiers:
        """The maintenance tiers, however they are stated; none of spot."""
        if self.risk_limit is not None:
            return self.risk_limit.tiers(self.contract_size)
        return tuple(tier.tier() for tier in self.tiers)

    @property
    def key(self) -> str:
        """The record's key on the topic."""
        return f"{self.symbol}@{self.valid_from}"

    def record(self, session: str, time: int) -> Instrument:
        """The record that a session begins with."""
        name = market_id(session, self.exchange, self.key, 0)
        return Instrument(
            event_id=name, causation_id=name, correlation_id=name, session=session, time=time, exchange=self.exchange,
            symbol=self.symbol, kind=self.kind, base_asset=self.base_asset, quote_asset=self.quote_asset,
            tick_size=self.tick_size, lot_size=self.lot_size, quantity_min=self.quantity_min,
            notional_min=self.notional_min, contract_size=self.contract_size, maker_fee_rate=self.maker_fee_rate,
            taker_fee_rate=self.taker_fee_rate, leverage_max=self.leverage_max,
            tiers=tiers_text(self.levels), status=self.status,
            valid_from=self.valid_from, valid_to=self.valid_to,
        )  # fmt: skip


def venue_instruments(exchange: str, folder: Path = FOLDER) -> dict[str, InstrumentSpec]:
    """
    A venue's instruments by the venue's own spelling, from `<folder>/<exchange>.toml`.

    Raises: ConfigError naming the file and every rule that an entry breaks.
    """
    path = folder / f"{exchange}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"instruments file {path} must be readable TOML: {error}") from error
    entries = document.get("instruments", [])
    defaults = document.get("defaults", {})
    specs, faults = _specs(path, entries, {"exchange": exchange, **defaults})
    if faults:
        raise ConfigError("\n".join(faults))
    return {spec.venue_symbol: spec for spec in specs}


def _specs(
    path: Path, entries: Iterable[dict[str, Any]], defaults: dict[str, Any]
) -> tuple[list[InstrumentSpec], list[str]]:
    """The entries that are valid, and what is wrong with the others."""
    specs: list[InstrumentSpec] = []
    faults = []
    for number, entry in enumerate(entries):
        try:
            specs.append(InstrumentSpec.model_validate({**defaults, **entry}))
        except ValidationError as error:
            for fault in error.errors():
                field = ".".join(str(part) for part in fault["loc"])
                faults.append(f"{path.name} instruments[{number}] {field}: {fault['msg']}, was {fault['input']!r}")
    for field in ("symbol", "venue_symbol"):
        names = [getattr(spec, field) for spec in specs]
        twice = sorted({name for name in names if names.count(name) > 1})
        faults += [f"{path.name} {field} must occur once, {name} occurs twice" for name in twice]
    return specs, faults

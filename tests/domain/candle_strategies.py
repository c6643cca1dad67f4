"""What tests of strategies that look at candles share: a run over closes, as texts, that keeps the ideas by candle."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from streams.domain.parameters import StrategyParameters
from streams.domain.records import Candle
from streams.domain.signals import strategy_of
from streams.domain.signals.strategy import Idea, Moment
from streams.stages.state import decode_state, encode_state
from tests.domain.candle_series import make_candle
from tests.domain.market import trade


class Run:
    """A strategy of `kind` with its state; `ideas` by the number of the candle. The state goes through bytes every time."""

    def __init__(self, kind: str, parameters: dict[str, str]) -> None:
        self.strategy = strategy_of(StrategyParameters(name="s", kind=kind, parameters=parameters))
        self.state: Any = self.strategy.State()
        self.ideas: dict[int, Idea] = {}
        self.count = 0

    def closes(self, *closes: str | int) -> "Run":
        return self.candles(make_candle(self.count + place, Decimal(close)) for place, close in enumerate(closes))

    def candles(self, candles: Iterable[Candle]) -> "Run":
        for candle in candles:
            assert self.strategy.on_event(self.state, Moment(candle.time - 1, [trade("1")])) is None
            idea = self.strategy.on_event(self.state, Moment(candle.time, [], candle))
            if idea is not None:
                self.ideas[self.count] = idea
            self.count += 1
            self.state = decode_state(encode_state(self.state), type(self.state))
        return self

    @property
    def diagnosis(self) -> str:
        return self.strategy.diagnosis(self.state)

    @property
    def is_warm(self) -> bool:
        return self.strategy.is_warm(self.state)

    def sides(self) -> Sequence[tuple[int, str]]:
        return [(place, idea.side.value) for place, idea in self.ideas.items()]

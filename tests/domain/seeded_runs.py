"""
Runs of the three stages from a seed, and the digest of all that they put out and remember; `python -m tests.domain.seeded_runs` answers
each seed on its standard input with it.
"""

import hashlib
import random
import sys
from decimal import localcontext

from streams.domain.execution.queue_model import QUEUE_MODELS
from streams.domain.money import EXACT
from streams.domain.records import Side
from tests.domain import test_execution_invariants as execution
from tests.domain import test_perpetual_invariants as perpetuals
from tests.domain import test_strategies_side_by_side as signals
from tests.domain.market import MINUTE, START, D, make_market, trade
from tests.domain.signals_run import Run


def digest(seed: int) -> str:
    found = hashlib.sha256()
    with localcontext(EXACT):
        for run in (_execution, _risk, _signals):
            found.update(run(random.Random(seed)))
    return found.hexdigest()


def _execution(rng: random.Random) -> bytes:
    watched = execution.Watched(rng, queue_model=rng.choice(sorted(QUEUE_MODELS)))
    watched.paper.show(bids=["99:5"], asks=["101:5"])
    watched._displayed([], [], *([{Side.BUY: {D(99): D(5)}, Side.SELL: {D(101): D(5)}}] * 2), void=False)
    watched.run(40)
    return repr(watched.paper.answers).encode() + watched.paper.stage.encode(watched.paper.state)


def _risk(rng: random.Random) -> bytes:
    moves = [
        perpetuals.Move(
            rng.choice(perpetuals.KINDS), rng.choice("ab"), rng.choice(perpetuals.SYMBOLS), rng.choice(list(Side)),
            rng.choice(perpetuals.PRICES),
        )
        for _ in range(30)
    ]
    story = perpetuals.Played(perpetuals.rules())
    return repr(story.play(moves)).encode() + story.stage.encode(story.state)


def _signals(rng: random.Random) -> bytes:
    symbols, time = ("AAA", "BBB", "CCC"), START
    run = Run(signals.make_settings(symbols=symbols))
    for sequence in range(60):
        time += rng.choice((1, MINUTE // 3, MINUTE))
        price = D(rng.randrange(300, 500)) / 4
        run.take(make_market(time, symbol=rng.choice(symbols), sequence=sequence, trades=[trade(price, "2", time=time)]))
    return repr(run.outputs).encode() + run.stage.encode(run.state)


if __name__ == "__main__":
    for line in sys.stdin:
        print(digest(int(line)), flush=True)

"""
Risk: what may be traded, how large, and what must be closed at once.

`orders` decides; `registry` holds the checks in the order that names the rejection, one module for each group of
them; `exits`, `drawdown`, `staleness`, `results` and `commands` act on marks, timers, results and operators. `state`
is all it remembers.
"""

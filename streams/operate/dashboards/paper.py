"""
The board "Paper trading": what an account of a session is worth, what it lost from its peak, what it holds and what it traded.

All of it is asked of Postgres, of the tables that the sink fills: the same numbers as in reports. Amounts are in the account's
currency (what a position earns in another asset, in that asset), drawdowns and exposure fractions of equity.
"""

from streams.operate.dashboards.boards import ACCOUNT, Board, accounts, sessions
from streams.operate.dashboards.panels import RED, YELLOW, Limit, Panel, Sql, bars, line, number, rows

# The alerts that everyone expects have these limits; a test holds them to the rules.
DRAWDOWN_MAX, EXPOSURE_MAX, POSITIONS_MAX = 0.045, 0.28, 2

_NEWEST = f"FROM portfolio_snapshots WHERE {ACCOUNT} ORDER BY time DESC, log_offset DESC LIMIT 1"
_OVER_TIME = f"FROM portfolio_snapshots WHERE {ACCOUNT} AND $__timeFilter(time) ORDER BY time, log_offset"

# From flat to flat, as reports count round trips. What realized, paid and received meanwhile is the difference of sums.
_ROUND_TRIPS = f"""
WITH states AS (
  SELECT time, log_offset, strategy, symbol, quantity, realized_pnl - fees + funding AS pnl,
         lag(quantity, 1, 0::numeric) OVER one AS was
  FROM position_history WHERE {ACCOUNT} WINDOW one AS (PARTITION BY strategy, symbol ORDER BY log_offset)
), ends AS (
  SELECT * FROM states WHERE was <> 0 AND (quantity = 0 OR sign(quantity) <> sign(was))
), trips AS (
  SELECT time, strategy, symbol, pnl - lag(pnl, 1, 0::numeric) OVER (PARTITION BY strategy, symbol ORDER BY log_offset) AS pnl FROM ends
)
"""


def paper() -> Board:
    """Equity, PnL, drawdown, exposure, positions, trades."""
    return Board("cdb-paper", "Paper trading", [sessions(), accounts()], [*_figures(), *_courses(), *_trades()])


def _figures() -> list[Panel]:
    return [
        number("Equity", "Newest equity of the account.", Sql(f"SELECT equity {_NEWEST}")),
        number("Total PnL", "Equity less what the account began with; a gain is positive.",
               Sql(f"SELECT equity - initial_equity AS pnl {_NEWEST}")),
        number("Daily PnL", "Equity less equity at 00:00 UTC; a gain is positive.", Sql(f"SELECT daily_pnl {_NEWEST}")),
        number("Win rate", "Share of round trips that ended with a gain after fees and funding.",
               Sql(f"{_ROUND_TRIPS}SELECT avg((pnl > 0)::int) AS win_rate FROM trips"), unit="percentunit"),
        number("Open positions", "Positions that are not flat.", Sql(f"SELECT open_positions {_NEWEST}"),
               limits=[Limit(POSITIONS_MAX + 1)]),
        number("Kill switch", "RUNNING, REDUCE_ONLY or HALT_ALL.", Sql(f"SELECT risk_mode {_NEWEST}")),
    ]  # fmt: skip


def _courses() -> list[Panel]:
    return [
        line("Equity curve", "Equity, and the highest it has been.", Sql(f"SELECT time, equity, peak_equity AS peak {_OVER_TIME}")),
        line("PnL", "Realized and unrealized PnL since the session began, less fees, with funding; a gain is positive.",
             Sql(f"SELECT time, realized_pnl + funding - fees AS realized, unrealized_pnl AS unrealized {_OVER_TIME}")),
        line("Daily drawdown", "Share of equity lost since 00:00 UTC.", Sql(f"SELECT time, daily_drawdown {_OVER_TIME}"),
             unit="percentunit", width=8, least=0, limits=[Limit(DRAWDOWN_MAX, YELLOW), Limit(0.05, RED)]),
        line("Drawdown from the peak", "Share of the highest equity that is lost.", Sql(f"SELECT time, drawdown {_OVER_TIME}"),
             unit="percentunit", width=8, least=0, limits=[Limit(DRAWDOWN_MAX, YELLOW)]),
        line("Total exposure", "Sum of |quantity| times mark as a share of equity.",
             Sql(f"SELECT time, exposure / nullif(equity, 0) AS exposure {_OVER_TIME}"), unit="percentunit", width=8, least=0,
             limits=[Limit(EXPOSURE_MAX, YELLOW)]),
        rows("Positions", "What is open; positive quantity is long.",
             Sql(f"SELECT symbol, strategy, quantity, entry_price, mark, unrealized_pnl, margin, stop_price, opened_at FROM positions "
                 f"WHERE {ACCOUNT} AND quantity <> 0 ORDER BY symbol, strategy"), height=6),
    ]  # fmt: skip


def _trades() -> list[Panel]:
    return [
        bars("Trades per day", "Fills of each day, UTC.",
             Sql(f"SELECT to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, count(*) AS trades FROM trades "
                 f"WHERE {ACCOUNT} AND $__timeFilter(time) GROUP BY day ORDER BY day DESC LIMIT 31"), width=8),
        bars("PnL by strategy", "Of completed round trips, after fees and funding.",
             Sql(f"{_ROUND_TRIPS}SELECT strategy, sum(pnl) AS pnl FROM trips GROUP BY strategy ORDER BY strategy"), width=8),
        bars("Fees and funding", "Since the session began; paid fees and received funding are positive.",
             Sql(f"SELECT kind, amount FROM (SELECT fees, funding {_NEWEST}) one, "
                 "LATERAL (VALUES ('fees', fees), ('funding', funding)) each (kind, amount)"), width=8),
        rows("Recent trades", "Fills, newest first. Slippage in basis points against the mark at the decision; a worse price is positive.",
             Sql("SELECT fill_time AS time, symbol, strategy, side, quantity, price, notional, fee, liquidity, slippage_bps FROM trades "
                 f"WHERE {ACCOUNT} AND $__timeFilter(fill_time) ORDER BY fill_time DESC, event_id DESC LIMIT 50")),
        rows("Recent signals", "What strategies wanted, newest first.",
             Sql(f"SELECT time, strategy, symbol, side, strength, confidence, price, reason FROM signals "
                 f"WHERE {ACCOUNT} AND $__timeFilter(time) ORDER BY time DESC LIMIT 50")),
    ]  # fmt: skip

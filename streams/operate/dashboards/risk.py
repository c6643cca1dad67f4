"""
The board "Risk": what was decided, why orders were refused, how much of each limit is used, and what operators and risk said.

Asked of Postgres: every decision is a row of `orders`, with all checks and what they measured.
"""

from streams.operate.dashboards.boards import ACCOUNT, SESSION, Board, accounts, sessions
from streams.operate.dashboards.panels import RED, YELLOW, Limit, Panel, Sql, bars, line, number, rows

_WITHIN = f"{ACCOUNT} AND $__timeFilter(time)"

# Checks that pass while what they measure is at most the limit; of the others "use" would mean nothing.
AT_MOST = (
    "TOTAL_EXPOSURE", "POSITION_LIMIT", "SYMBOL_EXPOSURE", "STRATEGY_EXPOSURE", "ALLOCATION_EXCEEDED", "CORRELATED_EXPOSURE",
    "OPEN_POSITIONS", "POSITIONS_A_SYMBOL", "TRADES_AN_HOUR", "ORDERS_A_SECOND", "DAILY_DRAWDOWN", "CIRCUIT_BREAKER_DRAWDOWN",
    "CIRCUIT_BREAKER_FAILURES_IN_A_ROW", "CIRCUIT_BREAKER_FAILURES_AN_HOUR", "LEVERAGE", "CONSECUTIVE_LOSSES", "EXPECTED_COST",
    "PRICE_ANOMALY", "SPREAD_ANOMALY", "SIGNAL_STALE", "MARK_STALE", "BOOK_STALE",
)  # fmt: skip

_USED = f"""
SELECT code, max(measured / allowed) AS used FROM (
  SELECT one ->> 'code' AS code, (one ->> 'measured')::numeric AS measured, (one ->> 'limit')::numeric AS allowed
  FROM orders, jsonb_array_elements(checks) one WHERE {_WITHIN} AND purpose = 'ENTRY'
) each WHERE allowed > 0 AND measured IS NOT NULL AND code IN ({", ".join(f"'{code}'" for code in AT_MOST)})
GROUP BY code ORDER BY used DESC
"""


def risk() -> Board:
    """Decisions, rejections, limits, kill switch, alerts."""
    return Board("cdb-risk", "Risk", [sessions(), accounts()], [*_decisions(), *_words()])


def _decisions() -> list[Panel]:
    approved = f"SELECT count(*) FILTER (WHERE approved) AS approved FROM orders WHERE {_WITHIN}"
    rejected = f"SELECT count(*) FILTER (WHERE NOT approved) AS rejected FROM orders WHERE {_WITHIN}"
    return [
        number("Approved", "Decisions of the time shown that execution acts on.", Sql(approved)),
        number("Rejected", "Decisions of the time shown that were refused.", Sql(rejected)),
        number("Approved share", "Of all decisions of the time shown.",
               Sql(f"SELECT avg(approved::int) AS approved FROM orders WHERE {_WITHIN}"), unit="percentunit"),
        number("Kill switch", "RUNNING, REDUCE_ONLY or HALT_ALL.",
               Sql(f"SELECT risk_mode FROM portfolio_snapshots WHERE {ACCOUNT} ORDER BY time DESC, log_offset DESC LIMIT 1")),
        number("Stops hit", "Exits of the time shown by stop-loss.",
               Sql(f"SELECT count(*) AS stops FROM orders WHERE {_WITHIN} AND approved AND purpose = 'STOP_LOSS'")),
        number("Dead letters", "Records of the session that were put aside.", Sql(f"SELECT count(*) AS records FROM dead_letters "
               f"WHERE {SESSION}"), limits=[Limit(1, RED)]),
        bars("Rejections by code", "How often each rule refused in the time shown.",
             Sql(f"SELECT rejection_code AS code, count(*) AS rejections FROM orders WHERE {_WITHIN} AND NOT approved "
                 "GROUP BY code ORDER BY rejections DESC, code")),
        bars("Limits against use", "The most that an entry of the time shown would have used of each limit; at 100 % it is refused.",
             Sql(_USED), unit="percentunit", limits=[Limit(0.8, YELLOW), Limit(1, RED)]),
        line("Decisions a minute", "Approved and refused.",
             Sql("SELECT date_trunc('minute', time) AS time, count(*) FILTER (WHERE approved) AS approved, "
                 f"count(*) FILTER (WHERE NOT approved) AS rejected FROM orders WHERE {_WITHIN} GROUP BY 1 ORDER BY 1"), least=0),
        line("Margin used", "What open positions bind, in the account's currency.",
             Sql(f"SELECT time, margin_used FROM portfolio_snapshots WHERE {_WITHIN} ORDER BY time, log_offset"), least=0),
    ]  # fmt: skip


def _words() -> list[Panel]:
    return [
        rows("Recent decisions", "Newest first; measured and limit are of the check that refused.",
             Sql("SELECT time, symbol, strategy, side, purpose, approved, rejection_code, measured, \"limit\", quantity, notional "
                 f"FROM orders WHERE {_WITHIN} ORDER BY time DESC, log_offset DESC LIMIT 100")),
        rows("Allocations", "Share of equity that each strategy may use, newest first.",
             Sql(f"SELECT time, strategy, regime, fraction, score, reason, cooldown_until FROM allocations WHERE {_WITHIN} "
                 "ORDER BY time DESC, log_offset DESC LIMIT 50"), width=12),
        rows("Operators' commands", "For this account or for all, newest first.",
             Sql(f"SELECT time, kind, symbol, operator, justification FROM commands WHERE {SESSION} "
                 "AND account IN (${account:sqlstring}, '*') AND $__timeFilter(time) ORDER BY time DESC LIMIT 50"), width=12),
        rows("Risk's alerts", "What a person should know, newest first.",
             Sql(f"SELECT time, level, code, symbol, message, measured, \"limit\", action_required FROM alerts WHERE {SESSION} "
                 "AND account IN (${account:sqlstring}, '*') AND $__timeFilter(time) ORDER BY time DESC LIMIT 50")),
    ]  # fmt: skip

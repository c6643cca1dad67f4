"""
The board "Pipeline": from the market's tick to signal, decision and fill: how fast, how much, and where it waits.

Ages are wall time of the commit minus the market's time, so they are there in live sessions only.
"""

from streams.operate.dashboards.boards import LIVE_SESSION, Board, live_sessions
from streams.operate.dashboards.panels import RATE, Limit, Panel, Prom, line, number

# The objective: 99 of 100 decisions on a market so old at most.
FRESH_S = 0.25

_AGES = (("signal", "streams_signal_age_seconds"), ("decision", "streams_decision_age_seconds"), ("fill", "streams_fill_age_seconds"))


def pipeline() -> Board:
    """Freshness, throughput, turn time, queues."""
    return Board("cdb-pipeline", "Pipeline", [live_sessions()], [*_freshness(), *_throughput(), *_waiting()])


def _quantile(share: str, name: str, labels: str = "le") -> str:
    return f"histogram_quantile({share}, sum by ({labels}) (rate({name}_bucket{{{LIVE_SESSION}}}[{RATE}])))"


def _freshness() -> list[Panel]:
    decisions = "streams_decision_age_seconds"
    in_time = (
        f'sum(rate({decisions}_bucket{{{LIVE_SESSION},le="{FRESH_S}"}}[{RATE}])) / sum(rate({decisions}_count{{{LIVE_SESSION}}}[{RATE}]))'
    )
    return [
        *(number(f"Tick to {what}, p99", f"99 of 100 were not older when the {what} was committed.",
                 Prom(_quantile("0.99", name)), unit="s", limits=[Limit(FRESH_S)] if what == "decision" else ()) for what, name in _AGES),
        number("Decisions in time", "Share that saw a market at most 250 ms old; the objective is 99 %.", Prom(in_time),
               unit="percentunit"),
        number("Events", "Stepped a second by all stages, timers and commands included.",
               Prom(f"sum(rate(streams_events_total{{{LIVE_SESSION}}}[{RATE}]))"), unit="cps"),
        number("Fills", "In the last hour, partial ones included.", Prom(f"sum(increase(streams_fills_total{{{LIVE_SESSION}}}[1h]))")),
        line("Freshness, median", "From the market's tick to what was committed.",
             *(Prom(_quantile("0.5", name), f"tick to {what}") for what, name in _AGES), unit="s", least=0),
        line("Freshness, p99", "From the market's tick to what was committed; the line is the objective for decisions.",
             *(Prom(_quantile("0.99", name), f"tick to {what}") for what, name in _AGES), unit="s", least=0, limits=[Limit(FRESH_S)]),
    ]  # fmt: skip


def _each_second(name: str, label: str) -> Prom:
    return Prom(f"sum by ({label}) (rate({name}{{{LIVE_SESSION}}}[{RATE}]))", f"{{{{{label}}}}}")


def _throughput() -> list[Panel]:
    return [
        line("Events by stage", "Stepped a second.", _each_second("streams_events_total", "stage"), unit="cps", width=8, least=0),
        line("Transactions by stage", "Committed a second.", _each_second("streams_transactions_total", "stage"), unit="cps", width=8,
             least=0),
        line("Turns by stage", "A second, empty ones included.", _each_second("streams_turns_total", "stage"), unit="cps", width=8,
             least=0),
        line("Records written", "Data records a second, by topic.", _each_second("streams_outputs_total", "topic"), unit="cps", width=8,
             least=0),
        line("Signals by strategy", "Made a second.", _each_second("streams_signals_total", "strategy"), unit="cps", width=8, least=0),
        line("Decisions", "Approved and rejected a second.", _each_second("streams_orders_total", "decision"), unit="cps", width=8,
             least=0),
        line("Answers to orders", "Given a second, by status.", _each_second("streams_order_results_total", "status"), unit="cps", width=8,
             least=0),
        line("Turn time, p99", "From receiving something to its committed transaction.",
             Prom(_quantile("0.99", "streams_turn_seconds", "stage, le"), "{{stage}}"), unit="s", width=8, least=0),
        line("Risk's alerts", "In five minutes, by level.",
             Prom(f"sum by (level) (increase(streams_alerts_total{{{LIVE_SESSION}}}[5m]))", "{{level}}"), width=8, least=0),
    ]  # fmt: skip


def _waiting() -> list[Panel]:
    return [
        line("Behind the wall clock", "Wall time minus the time up to which all is stepped; of live sessions.",
             Prom(f"time() - min by (stage) (streams_frontier_seconds{{{LIVE_SESSION}}})", "{{stage}}"), unit="s", width=8, least=0),
        line("Waiting on the log and in queues", "Records, by stage and topic.",
             Prom(f"sum by (stage, topic) (streams_lag_records{{{LIVE_SESSION}}})", "{{stage}} {{topic}}"), width=8, least=0),
        line("Waiting in queues", "Records read and not yet stepped, by stage: an input holds the others up.",
             Prom(f"sum by (stage) (streams_queue_records{{{LIVE_SESSION}}})", "{{stage}}"), width=8, least=0),
        line("Tasks", "Held by the processes of each stage.", Prom(f"sum by (stage) (streams_tasks{{{LIVE_SESSION}}})", "{{stage}}"),
             least=0),
        line("Warm strategies", "Symbols for which each strategy has seen enough to signal.",
             Prom(f"sum by (strategy) (streams_strategy_warm{{{LIVE_SESSION}}})", "{{strategy}}"), least=0),
    ]  # fmt: skip

"""The board "System": which parts answer, which alerts fire, and what comes to its end: disk, clock, certificates, backups, proofs."""

from streams.operate.dashboards.boards import Board
from streams.operate.dashboards.panels import RED, YELLOW, Limit, Panel, Prom, bars, line, number, rows

DAY_S = 86_400


def system() -> Board:
    """Parts, alerts, the machine, and whether the log is proven and in Postgres."""
    return Board("cdb-system", "System", [], [*_figures(), *_tables(), *_courses()])


def _figures() -> list[Panel]:
    return [
        number("Parts down", "Whom Prometheus asks in vain.", Prom("count(up == 0) or vector(0)"), limits=[Limit(1)]),
        number("Alerts", "That fire now.", Prom('count(ALERTS{alertstate="firing"}) or vector(0)'), limits=[Limit(1)]),
        number("Failed connector tasks", "Of all connectors.", Prom("sum(streams_connect_tasks_failed)"), limits=[Limit(1)]),
        number("Rows missing", "Committed records that are no rows.", Prom("sum(streams_sink_rows_missing)"), limits=[Limit(1)]),
        number("Replays that differed", "Of all sessions; each is a fault that must be found.",
               Prom("sum(streams_replay_divergences_total)"), limits=[Limit(1)]),
        number("Last backup", "Since the last good one.", Prom("time() - max(streams_backup_last_success_time_seconds)"), unit="s",
               limits=[Limit(26 * 3600)]),
    ]  # fmt: skip


def _tables() -> list[Panel]:
    return [
        rows("Alerts that fire", "See deploy/runbooks/alerts.md.", Prom('ALERTS{alertstate="firing"}'), width=12),
        rows("Parts", "1 where Prometheus gets an answer, else 0.", Prom("max by (job, instance) (up)"), width=12),
    ]  # fmt: skip


def _courses() -> list[Panel]:
    return [
        line("Disk free", "Free part of each disk.", Prom("min by (path) (streams_disk_free_ratio)", "{{path}}"), unit="percentunit",
             width=8, least=0),
        line("Clock", "This machine's clock minus the time servers'.", Prom("max(streams_clock_offset_seconds)", "offset"), unit="s",
             width=8),
        bars("Certificates end in", "Of each certificate.",
             Prom("min by (file) (streams_certificate_expiry_time_seconds) - time()", "{{file}}"), unit="s", width=8),
        line("Rows missing by table", "Committed records that are no rows.",
             Prom("sum by (table) (streams_sink_rows_missing)", "{{table}}"), width=8, least=0, limits=[Limit(1, RED)]),
        line("Verified", "Since each session was last run again and came out the same.",
             Prom("time() - max by (session) (streams_replay_verified_time_seconds)", "{{session}}"), unit="s", width=8, least=0,
             limits=[Limit(DAY_S, YELLOW), Limit(26 * 3600, RED)]),
        line("Dead letters", "Records put aside in five minutes, by source topic.",
             Prom("sum by (topic) (increase(streams_dead_letters_total[5m]))", "{{topic}}"), width=8, least=0, limits=[Limit(1, RED)]),
    ]  # fmt: skip

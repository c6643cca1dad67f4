"""The board "Feed": whether the market comes, whether all of it comes, and how late it is when it comes."""

from streams.operate.dashboards.boards import LIVE_SESSION, Board, live_sessions
from streams.operate.dashboards.panels import RATE, RED, Limit, Panel, Prom, line, number


def feed() -> Board:
    """Health, completeness, time, prices."""
    return Board("cdb-feed", "Feed", [live_sessions()], [*_figures(), *_courses()])


def _of(name: str) -> str:
    return f"streams_feed_{name}{{{LIVE_SESSION}}}"


def _figures() -> list[Panel]:
    return [
        number("Healthy", "1 while the feed is healthy, else 0.", Prom(f"max({_of('healthy')})")),
        number("Live", "1 while its time is the wall clock's, else 0.", Prom(f"max({_of('live')})")),
        number("Last flush", "Since the last transaction.", Prom(f"min({_of('flush_age_seconds')})"), unit="s", limits=[Limit(5)]),
        number("Watermark behind", "Wall time minus the last watermark.", Prom(f"time() - max({_of('watermark_seconds')})"), unit="s"),
        number("Complete", "Share of the last hour's market time that is on the log; the objective is 99.95 %.",
               Prom(f"1 - sum(increase({_of('gap_seconds_total')}[1h])) / 3600"), unit="percentunit"),
        number("Suspect times", "Pushes of the last hour whose event time was not believed.",
               Prom(f"sum(increase({_of('time_suspects_total')}[1h]))"), limits=[Limit(1, RED)]),
    ]  # fmt: skip


def _courses() -> list[Panel]:
    return [
        line("Market records", "Written a second.", Prom(f"sum(rate({_of('records_total')}[{RATE}]))", "records"), unit="cps", least=0),
        line("Flushes", "Transactions a second.", Prom(f"sum(rate({_of('flushes_total')}[{RATE}]))", "flushes"), unit="cps", least=0),
        line("Missing market time", "Seconds that are missing of each second.",
             Prom(f"sum(rate({_of('gap_seconds_total')}[{RATE}]))", "missing"), unit="percentunit", least=0),
        line("Gaps", "Pushes in five minutes that say something before them is missing.",
             Prom(f"sum(increase({_of('gaps_total')}[5m]))", "gaps"), least=0),
        line("Delay of the venue", "Smallest receive time minus event time: the way here, and how the clocks differ.",
             Prom(f"max by (venue) ({_of('offset_seconds')})", "{{venue}}"), unit="s"),
        line("Prices", "Last trade of each symbol, in quote units.", Prom(f"max by (symbol) ({_of('last_price')})", "{{symbol}}")),
    ]  # fmt: skip

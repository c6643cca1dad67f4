"""
A session's feed from start to end: what `cdb feed` runs, and what its pages tell.

The simulated feed at 1x is **live** where its market began at the wall clock: from then on its time is the wall
clock's. A live feed that was away for ten seconds, or finds that the timekeeper stood in for it, goes on at the
present, as an exchange would have; what it missed is missing and said so. Recordings, and the simulated market
otherwise, go on exactly where they were.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, assert_never, runtime_checkable

import msgspec

from streams.domain.parameters import FeedParameters, SessionSettings
from streams.errors import ConfigError, StreamsError
from streams.exchange.guard import refuse_second_feed
from streams.exchange.instruments import FOLDER
from streams.exchange.pacing import Outcome, Pace, Runner, speed_of
from streams.exchange.push import Feed, in_history
from streams.exchange.recorded import RecordedFeed, is_recording_of_mexc
from streams.exchange.simulated import SimulatedFeed
from streams.exchange.wall import Wall, wall_time
from streams.exchange.writer import MICROSECONDS_IN_SECOND, STAGE, TASK, FeedWriter, source_of
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.log.journal import newest_entry
from streams.log.layout import Layout

OUTAGE_SECONDS_MIN = 10
# A market that begins this near to the wall clock is meant to be live.
LIVE_WITHIN_SECONDS = 3600
STALLED_AFTER_SECONDS = 5.0
# Exchanges that are really there.
LIVE_KINDS = frozenset({"mexc"})

Phase = Literal["starting", "running", "ended", "stopped", "failed"]


class FeedStatus(msgspec.Struct, kw_only=True):
    """What the pages show; times in seconds, prices and offsets as numbers for people and metrics."""

    session: str
    feed: str
    kind: str
    live: bool
    phase: Phase
    healthy: bool
    error: str | None = None
    records: int = 0
    records_per_second: float = 0.0
    flushes: int = 0
    flush_age_seconds: float | None = None
    watermark: int = -1
    gaps: int = 0
    gap_seconds: float = 0.0
    suspects: int = 0
    prices: dict[str, str] = {}
    offset_seconds: dict[str, float] = {}
    exchange: dict[str, object] | None = None  # of a live exchange: its connections, completeness, queue


class LiveOptions(NamedTuple):
    """What a live exchange's feed needs beside the session's settings: the environment with its addresses, and a file to record to."""

    environment: Mapping[str, str]
    recording: Path | None = None


def feed_of(settings: SessionSettings, instruments_folder: Path = FOLDER, live: LiveOptions | None = None) -> Feed:
    """The source that a session's settings name, behind its history where they name one. Raises: ConfigError, FeedError as the feeds."""
    market = market_of(settings.feed, instruments_folder, live)
    if settings.feed.warmup is None:
        return market
    from streams.exchange.warmup import WarmedFeed  # noqa: PLC0415 (reads candles, see below)

    return WarmedFeed(settings.feed, market, instruments_folder)


def recording_of(files: tuple[str, ...], instruments_folder: Path = FOLDER, *, duration_seconds: int | None = None) -> Feed:
    """Recordings of whichever exchange made them, all of the same. Raises: ConfigError, FeedError as the feeds."""
    if files and Path(files[0]).is_file() and is_recording_of_mexc(files[0]):
        # Only here: protocols of exchanges take a while to import.
        from streams.exchange.mexc.recorded import MexcRecording  # noqa: PLC0415 (see above)

        return MexcRecording(files, duration_seconds=duration_seconds)
    return RecordedFeed(files, instruments_folder, duration_seconds=duration_seconds)


def market_of(parameters: FeedParameters, instruments_folder: Path = FOLDER, live: LiveOptions | None = None) -> Feed:
    """The source of the market itself. Raises: ConfigError, FeedError as the feeds."""
    match parameters.kind:
        case "recorded":
            return recording_of(parameters.files, instruments_folder, duration_seconds=parameters.duration_seconds)
        case "mexc":
            if live is None:
                raise ConfigError("FEED must be simulated, recorded or candles where nothing is live, was mexc")
            from streams.exchange.mexc.live import MexcFeed  # noqa: PLC0415 (see above)
            from streams.exchange.mexc.settings import MexcSettings  # noqa: PLC0415 (see above)

            settings = MexcSettings.from_environment(live.environment)
            return MexcFeed(parameters, settings, wall_time, recording=live.recording)
        case "candles":
            # Only here: pyarrow takes a while to import, and no other feed needs it.
            from streams.exchange.candles import CandleFeed  # noqa: PLC0415 (see above)

            return CandleFeed(parameters, instruments_folder)
        case "simulated":
            return SimulatedFeed(parameters, instruments_folder)
    assert_never(parameters.kind)


@runtime_checkable
class Observed(Protocol):
    """A feed that can say more of itself."""

    def status(self) -> dict[str, object]: ...


class FeedService:
    """One run of a session's feed. `speed`: 1x..1000x or max."""

    def __init__(
        self, log: Log, codec: Codec, settings: SessionSettings, wall: Wall, *, speed: str, code_version: str,
        take_over: bool = False, instruments_folder: Path = FOLDER, live: LiveOptions | None = None,
    ) -> None:
        """Raises: ConfigError, FeedError where the settings name no feed that can run."""
        self._log = log
        self._codec = codec
        self._settings = settings
        self._wall = wall
        self._speed = speed_of(speed)
        self._code_version = code_version
        self._take_over = take_over
        self._feed = feed_of(settings, instruments_folder, live)
        if self._feed.kind in LIVE_KINDS and self._speed != 1:
            raise ConfigError(f"SPEED must be 1x with --feed {self._feed.kind}, was {speed}")
        self.live = False
        self._phase: Phase = "starting"
        self._error: str | None = None
        self._writer: FeedWriter | None = None
        self._runner: Runner | None = None
        self._began = wall.monotonic()

    def run(self) -> Outcome:
        """
        Writes the feed to the log until it ends or the wall says to stop. A session that has ended is left as it is.

        Raises: FeedError where another feed writes this session; ConfigError where its settings are others; LogError,
        Fenced.
        """
        try:
            outcome = self._run()
        except StreamsError as error:
            self._phase, self._error = "failed", str(error)
            raise
        self._phase = "ended" if outcome.ended else "stopped"
        self._error = str(outcome.error) if outcome.error else None
        return outcome

    def _run(self) -> Outcome:
        if not self._take_over:
            refuse_second_feed(self._log, self._codec, self._settings, self._wall)
        self.live = self._is_live()
        writer = self._writer = FeedWriter(
            self._log, self._codec, self._settings, code_version=self._code_version, live=self.live
        )
        try:
            if writer.source.ended:
                return Outcome(ended=True)
            if writer.position is None or self._feed.kind not in LIVE_KINDS:
                # A live exchange need not be there for a session that has begun: its time goes on, and it tells its instruments itself.
                writer.introduce(self._feed.instruments())
            pace = Pace(self._wall, speed=self._speed, live=self.live) if self._speed else None
            runner = self._runner = Runner(writer, self._wall, pace)
            self._began = self._wall.monotonic()
            self._phase = "running"
            return runner.run(self._feed.pushes(writer.position, outage_until=self._outage(writer)))
        finally:
            writer.close()

    def _is_live(self) -> bool:
        if self._feed.kind in LIVE_KINDS:
            return True
        if self._feed.kind != "simulated" or self._speed != 1:
            return False
        entry = newest_entry(self._log, Layout.of(self._settings).journal(STAGE, TASK), self._codec)
        if entry is not None:
            return source_of(entry).live
        away = abs(self._wall.now() - self._settings.feed.start_time)
        return away <= LIVE_WITHIN_SECONDS * MICROSECONDS_IN_SECOND

    def _outage(self, writer: FeedWriter) -> int | None:
        """Up to where a live market went on without this feed, or None where nothing was missed."""
        if not self.live or writer.position is None:
            return None
        if in_history(writer.position) and writer.predecessor != "timekeeper":
            return None
        reached = writer.clock.state.last
        present = writer.clock.quiet_watermark(self._wall.now())
        if writer.predecessor == "timekeeper" or present - reached > OUTAGE_SECONDS_MIN * MICROSECONDS_IN_SECOND:
            return max(reached, present)
        return None

    def status(self) -> FeedStatus:
        """How it stands now; may be called from another thread."""
        status = FeedStatus(
            session=self._settings.session, feed=self._settings.feed.name, kind=self._feed.kind, live=self.live,
            phase=self._phase, healthy=self._phase != "failed", error=self._error,
        )  # fmt: skip
        if isinstance(self._feed, Observed):
            status.exchange = self._feed.status()
        if self._writer is not None:
            counters = self._writer.counters
            elapsed = max(self._wall.monotonic() - self._began, 0.001)
            status.records, status.flushes = counters.records, counters.flushes
            status.records_per_second = round(counters.records / elapsed, 1)
            status.gaps, status.suspects, status.watermark = counters.gaps, counters.suspects, counters.watermark
            status.gap_seconds = counters.gap_seconds(len(self._settings.feed.symbols))
            status.prices = {symbol: format(price, "f") for symbol, price in dict(counters.prices).items()}
            status.offset_seconds = {
                venue: known.offset / MICROSECONDS_IN_SECOND
                for venue, known in dict(self._writer.clock.state.venues).items()
                if known.offset is not None
            }
        if self._runner is not None and self._phase == "running":
            status.flush_age_seconds = round(self._wall.monotonic() - self._runner.flushed_at, 3)
            status.healthy = status.flush_age_seconds < STALLED_AFTER_SECONDS
        return status

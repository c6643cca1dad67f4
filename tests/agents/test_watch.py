"""When a worker counts as healthy, and what its status says."""

from streams.agents.watch import HealthLimits, InputSeen, Phase, TaskSeen, Watch

NOW = 100.0
WALL = 1_700_000_000.0


def make_watch(*, phase: Phase = Phase.RUNNING, turned_at: float | None = NOW, behind: float | None = None) -> Watch:
    watch = Watch("s", "signals", HealthLimits(stalled_s_max=30.0, behind_s_max=behind))
    watch.phase, watch.turned_at = phase, turned_at
    return watch


def make_task(*, lag: int = 0, moved_at: float = NOW, frontier_s: float = WALL) -> TaskSeen:
    inputs = [InputSeen("market_data", 0, 0, 7, lag)]
    return TaskSeen(0, int(frontier_s * 1_000_000), 0, 0, 0, inputs, moved_at)


def test_worker_is_not_healthy_before_its_first_turn() -> None:
    assert make_watch(phase=Phase.STARTING, turned_at=None).health(monotonic=NOW, wall=WALL) == (False, "starting")


def test_worker_that_turns_and_has_nothing_waiting_is_healthy_however_long_its_frontier_stands() -> None:
    watch = make_watch()
    watch.tasks = {0: make_task(lag=0, moved_at=NOW - 1000)}
    assert watch.health(monotonic=NOW, wall=WALL).healthy


def test_worker_without_a_turn_for_longer_than_the_limit_is_stalled() -> None:
    health = make_watch(turned_at=NOW - 30.1).health(monotonic=NOW, wall=WALL)
    assert health == (False, "stalled: no turn for 30 s, at most 30 s are healthy")


def test_worker_whose_frontier_stands_while_records_wait_is_stalled() -> None:
    watch = make_watch()
    watch.tasks = {0: make_task(lag=5, moved_at=NOW - 31)}
    health = watch.health(monotonic=NOW, wall=WALL)
    assert not health.healthy
    assert health.reason.startswith("stalled: task 0 stands at 1700000000000000 for 31 s while 5 offsets wait")


def test_live_worker_further_behind_the_clock_than_its_bound_says_so_and_one_without_bound_does_not() -> None:
    for bound, healthy in ((5.0, False), (None, True)):
        watch = make_watch(behind=bound)
        watch.tasks = {0: make_task(frontier_s=WALL - 6)}
        health = watch.health(monotonic=NOW, wall=WALL)
        assert health.healthy is healthy
        assert healthy or health.reason == "behind: task 0 is 6.0 s behind, at most 5 s are healthy"


def test_fenced_worker_says_who_it_lost_to() -> None:
    watch = make_watch(phase=Phase.FENCED)
    watch.fault = "writer s-signals-0 has another owner"
    assert watch.health(monotonic=NOW, wall=WALL) == (False, "fenced: writer s-signals-0 has another owner")


def test_status_shows_each_task_with_its_place_and_lag() -> None:
    watch = make_watch()
    watch.tasks = {0: make_task(lag=3)}
    status = watch.status(monotonic=NOW, wall=WALL)
    assert status["assignment"] == [0]
    assert status["tasks"][0]["lag"] == 3
    assert status["tasks"][0]["inputs"] == [{"topic": "market_data", "partition": 0, "queue": 0, "offset": 7, "lag": 3}]

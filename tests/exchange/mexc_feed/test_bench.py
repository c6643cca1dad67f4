"""What `make bench` measures of MEXC writes every deal."""

from streams.log.codec import Codec
from streams.log.memory import MemoryLog
from tests.bench.mexc import frames_of, produced


def test_every_deal_of_the_measured_frames_is_written():
    found = produced(MemoryLog(), Codec.offline(), "bench-mexc", list(frames_of(1, 5, 1000)), count=1000)
    assert (found["frames"], found["deals"], found["symbols"]) == (200, 1000, 200)

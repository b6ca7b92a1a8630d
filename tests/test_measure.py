"""What a call costs: time and memory."""
import time

import pytest
import torch

from gpt2lab import measure


def test_peak_counts_what_lives_at_the_same_time():
    size = 4 * 1000 * 1000                                  # bytes of a float32 tensor of a million

    def two_at_once():
        first = torch.ones(1000, 1000)
        return first + first

    def one_after_the_other():
        for _ in range(5):
            torch.ones(1000, 1000)

    assert 2 * size <= measure.peak_bytes(two_at_once) < 2.2 * size
    assert size <= measure.peak_bytes(one_after_the_other) < 1.2 * size


def test_what_was_there_before_does_not_count():
    big = torch.ones(1000, 1000)
    assert measure.peak_bytes(lambda: big.sum()) < 1000


def test_profiling_leaves_stderr_alone(capfd):
    measure.peak_bytes(lambda: torch.ones(3))
    print("still here", file=__import__("sys").stderr)
    assert capfd.readouterr().err == "still here\n"


def test_seconds_takes_the_fastest_and_warms_up():
    calls = []

    def slow_first():
        calls.append(1)
        time.sleep(0.05 if len(calls) <= 2 else 0.001)

    assert 0.001 <= measure.seconds(slow_first, repeats=3) < 0.05
    assert len(calls) == 4


def test_seconds_measures_one_thread_and_restores_the_rest():
    before, seen = torch.get_num_threads(), []
    try:
        torch.set_num_threads(2)
        measure.seconds(lambda: seen.append(torch.get_num_threads()))
        with pytest.raises(ZeroDivisionError):
            measure.seconds(lambda: 1 / 0)
        assert set(seen) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_memory_of_an_unknown_device_is_named():
    with pytest.raises(ValueError, match="meta"):
        measure.peak_bytes(lambda: None, device="meta")

"""Quantiles from bins are close to the real ones, and rates follow the clock they are given."""
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.stats import Histogram, Rate, Stats
from edgecam.vocabulary import Packet


@given(st.lists(st.floats(2e-5, 60), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_quantiles_are_right_to_a_bin(values, share):
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = sorted(values)[max(-(-int(share * 1000) * len(values) // 1000) - 1, 0)]
    assert histogram.quantile(share) == pytest.approx(exact, rel=0.05)
    assert histogram.mean == pytest.approx(sum(values) / len(values))


def test_an_empty_histogram_is_zero():
    assert Histogram().quantile(0.5) == 0 and Histogram().mean == 0


def test_rate_counts_the_last_seconds_only():
    rate = Rate(window=2.0)
    for n in range(100):
        rate.add(n * 0.1)
    assert rate.per_second(9.9) == pytest.approx(10)
    assert len(rate._events) <= 21           # what is older is not kept
    assert rate.per_second(60) == 0.0


@pytest.mark.parametrize("hz", [1, 2, 5, 15, 30, 240])
@given(st.floats(0, 0.99))
def test_a_steady_rate_is_told_as_it_is_whenever_one_asks(hz, later):
    rate = Rate()
    for n in range(2, 20 * hz):
        rate.add(n / hz)
    assert rate.per_second((20 * hz - 1 + later) / hz) == pytest.approx(hz)


def test_a_rate_falls_in_a_silence():
    rate = Rate()
    for n in range(31):
        rate.add(n / 10)
    told = [rate.per_second(3 + silence) for silence in (0.05, 0.5, 1, 2, 2.85, 3)]
    assert told[0] == pytest.approx(10) and told == sorted(told, reverse=True) and told[-1] == 0


@pytest.mark.parametrize("frames", [1, 2, 3, 300])
def test_the_rates_of_a_run_are_those_of_its_steps(frames):
    stats = Stats()
    for number in range(frames):
        stats.captured(number / 30)
    assert stats.per_second(frames) == (pytest.approx(30) if frames > 1 else 0)


@pytest.mark.parametrize("speed", [0.5, 1, 7])
def test_the_bitrate_goes_by_the_videos_own_time_however_fast_the_run_is(speed):
    stats = Stats()
    assert stats.as_dict(0)["bitrate"] == 0
    for number in range(300):
        size = 5000 if number % 30 == 0 else 800         # a keyframe a second
        stats.packet(number / 30 / speed, Packet(bytes(size), number, Fraction(1, 30), number % 30 == 0))
        if number == 9:
            assert stats.as_dict(number / 30 / speed)["bitrate"] == pytest.approx(8 * 30 * (5000 + 8 * 800) / 9, rel=1e-3)
    now = 299 / 30 / speed
    assert stats.as_dict(now)["bitrate"] == pytest.approx(8 * (5000 + 29 * 800), rel=0.02)
    assert stats.as_dict(now)["fps"]["encoded"] == pytest.approx(30 * speed, rel=0.05)
    assert stats.as_dict(now + 5)["bitrate"] == 0        # nothing flows

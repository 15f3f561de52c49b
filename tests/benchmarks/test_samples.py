"""Medians and quartiles."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.samples import Summary, quantile, summarise

TIMES = st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=20)


def test_the_median_of_medians_and_their_quartiles():
    assert summarise([[5.0, 1.0, 3.0], [4.0], [8.0, 6.0]]) == Summary(4.0, 3.5, 5.5)


def test_one_pass_has_no_spread():
    found = summarise([[1.0, 2.0, 30.0]])
    assert found == Summary(2.0, 2.0, 2.0)
    assert found.spread == 0.0


def test_the_spread_is_a_share_of_the_median():
    assert summarise([[1.0], [2.0], [3.0]]).spread == 0.25


def test_a_pass_without_samples_does_not_count():
    assert summarise([[], [2.0]]).median == 2.0


def test_no_samples():
    with pytest.raises(ValueError, match="no samples"):
        summarise([[], []])


@given(TIMES)
def test_quantiles_are_those_of_the_standard_library(numbers):
    ordered = sorted(numbers)
    assert quantile(ordered, 0.5) == pytest.approx(statistics.median(ordered))
    if len(ordered) > 1:
        low, _, high = statistics.quantiles(ordered, n=4, method="inclusive")
        assert quantile(ordered, 0.25) == pytest.approx(low)
        assert quantile(ordered, 0.75) == pytest.approx(high)


@given(TIMES, st.randoms())
def test_one_interruption_in_a_pass_changes_nothing(numbers, random):
    samples = [1.0, 1.0, 1.0, random.uniform(1, 1e6)]
    assert summarise([samples]).median == 1.0

"""Floors from operations, bytes and measured limits."""

from __future__ import annotations

import json

import pytest

from benchmarks.roofline import Floor, Limits, bandwidth, floor, moving_seconds, unit_rates
from benchmarks.workload import Cost

READ = ((1e3, 100e9), (1e6, 10e9))
LIMITS = Limits(2, {1: 50e9, 2: 100e9}, READ, ((1e3, 100e9), (1e6, 5e9)))


def test_bandwidth_between_the_points_is_straight_on_logarithmic_axes():
    assert bandwidth(READ, 1e3) == 100e9
    assert bandwidth(READ, 1e6) == 10e9
    assert bandwidth(READ, 10**4.5) == pytest.approx(10**10.5)


def test_bandwidth_beyond_the_points_is_that_of_the_nearest():
    assert bandwidth(READ, 1) == 100e9
    assert bandwidth(READ, 1e9) == 10e9


def test_points_may_come_in_any_order():
    assert bandwidth(READ[::-1], 1e6) == 10e9


def test_reading_costs_the_read_bandwidth():
    assert moving_seconds(Cost(0, 1e6, 0), LIMITS) == pytest.approx(1e6 / 10e9)


def test_copying_costs_the_copy_bandwidth():
    assert moving_seconds(Cost(0, 5e5, 5e5), LIMITS) == pytest.approx(1e6 / 5e9)


def test_writing_never_gains_time():
    fast_copies = Limits(1, {1: 1.0}, ((1e3, 1e9),), ((1e3, 9e9),))
    assert moving_seconds(Cost(0, 500, 500), fast_copies) == pytest.approx(500 / 1e9)


def test_the_larger_part_is_the_floor():
    assert floor(Cost(1e9, 1e6, 0), LIMITS) == Floor(1e-2, "compute")
    assert floor(Cost(1e6, 1e6, 0), LIMITS) == Floor(1e-4, "memory")


def test_a_workload_without_bytes():
    assert floor(Cost(1e9, 0, 0), LIMITS) == Floor(1e-2, "compute")


def test_the_peak_is_that_of_all_threads():
    assert LIMITS.peak() == 100e9


def test_products_of_other_operands_have_the_peak_of_their_unit():
    units = unit_rates({"amx_bf16", "avx512_bf16", "avx512_vnni"})
    assert units == {"bf16": 16.0, "int8": 4.0}
    limits = Limits(2, LIMITS.peak_flops, LIMITS.read, LIMITS.copy, units)
    assert limits.peak("bf16") == 1600e9
    assert floor(Cost(1e9, 1e3, 0, "int8"), limits) == Floor(1e9 / 400e9, "compute")
    assert Limits.from_json(json.loads(json.dumps(limits.to_json()))) == limits


def test_limits_survive_json():
    assert Limits.from_json(json.loads(json.dumps(LIMITS.to_json()))) == LIMITS


def test_two_measurements_give_the_larger_of_each():
    other = Limits(2, {1: 60e9, 2: 90e9}, ((1e3, 90e9), (1e6, 20e9)), ((1e3, 1e9),))
    best = LIMITS.best(other)
    assert best.peak_flops == {1: 60e9, 2: 100e9}
    assert best.read == ((1e3, 100e9), (1e6, 20e9))
    assert best.copy == LIMITS.copy

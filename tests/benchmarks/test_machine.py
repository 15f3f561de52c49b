"""What is read off the system."""

from __future__ import annotations

from benchmarks.machine import caches, describe, numeric, read_cpuinfo, read_list, spread

CPUINFO = """\
processor\t: 0
model name\t: Some CPU @ 2.00GHz
flags\t\t: fpu avx2

processor\t: 1
model name\t: Another
"""


def test_the_first_processor_is_described():
    found = read_cpuinfo(CPUINFO)
    assert found["model name"] == "Some CPU @ 2.00GHz"
    assert found["flags"] == "fpu avx2"
    assert read_cpuinfo("") == {}


def test_lists_of_processors():
    assert read_list("0-2,8\n") == {0, 1, 2, 8}
    assert read_list("5") == {5}


def test_cores_come_before_their_siblings():
    siblings = [frozenset({0, 2}), frozenset({1, 3}), frozenset({0, 2}), frozenset({1, 3})]
    assert spread([0, 1, 2, 3], siblings) == [0, 1, 2, 3]
    neighbours = [frozenset({0, 1}), frozenset({0, 1}), frozenset({2, 3}), frozenset({2, 3})]
    assert spread([0, 1, 2, 3], neighbours) == [0, 2, 1, 3]


def test_caches(tmp_path):
    for i, (level, kind, size) in enumerate(
        [("1", "Data", "32K"), ("1", "Instruction", "64K"), ("2", "Unified", "1024K")]
    ):
        folder = tmp_path / f"index{i}"
        folder.mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(text + "\n")
    (tmp_path / "index9").mkdir()  # a system that says nothing
    assert caches(tmp_path) == {"L1": "32K", "L2": "1024K"}


def test_releases_are_cut():
    assert numeric("6.1.0-39-cloud") == "6.1"


def test_the_description_has_all_that_a_reader_needs():
    found = describe()
    assert {"processor", "flags", "caches", "logical_cpus", "memory_bytes", "python"} <= set(found)

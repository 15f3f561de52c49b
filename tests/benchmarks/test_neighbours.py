"""Families of sizes, and the page about them."""

from __future__ import annotations

import importlib.util

import pytest

from benchmarks import neighbours
from benchmarks.families import FAMILIES, find, named
from benchmarks.measure import Cell, Pass, Plan
from benchmarks.neighbours import Neighbour
from benchmarks.report import Row
from benchmarks.workload import compare

PEERS = [p for p in ("lamina", "torch", "jax") if importlib.util.find_spec(p) is not None]
SMALL = {
    "product": (7, 9, 13),
    "row_product": (1, 33, 17),
    "batched_product": (3, 5, 7, 9),
    "convolution": (2, 3, 9, 5, 3),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_name_says_which_workload(name):
    sizes = SMALL.get(name, (5, 67))
    row = find(named(name, sizes))
    assert row.name == named(name, sizes)
    data = row.make_data()
    for peer in PEERS:
        found = row.builders[peer](data).result()
        assert compare(found, row.reference(data), row.tolerance).passed, peer


def test_names_without_sizes_are_listed_workloads():
    assert find("mm_512").name == "mm_512"
    with pytest.raises(KeyError):
        find("ghost@2x2")


def test_sizes_beside_the_listed_ones():
    family = FAMILIES["row_product"]
    assert dict(family.beside((1, 4096, 4096))) == {
        "-1": (1, 4095, 4095),
        "+1": (1, 4097, 4097),
        "x1.5": (1, 6144, 6144),
    }


@pytest.mark.parametrize("name", FAMILIES)
def test_random_sizes_are_the_same_each_time_and_between_the_listed_ones(name):
    family = FAMILIES[name]
    found = family.random(30)
    assert found == family.random(30) and len(set(found)) > 20
    for axis, sizes in enumerate(zip(*found)):
        known = [listed[axis] for listed in family.listed]
        assert max(sizes) <= max(known)
        assert min(sizes) >= (min(known) if len(set(known)) > 1 else min(known) // 4)
        if axis in family.fixed:
            assert set(sizes) <= set(known)


def neighbour(kind: str, ours: float, theirs: float, share: float) -> Neighbour:
    cells = {
        name: Cell(name, passes=[Pass((s,), 1)])
        for name, s in (("lamina", ours), ("torch", theirs))
    }
    return Neighbour(kind, Row(find(named("add", (4, 4))), cells), share, 0.5)


def test_the_page_has_the_least_and_the_middle():
    found = [neighbour("random", 1.0, 2.0, 0.25), neighbour("random", 1.0, 4.0, 0.5)]
    page = neighbours.markdown({"add": found}, Plan(passes=3), 2)
    assert [text.strip() for text in page.splitlines()[6].split("|")[1:-1]] == [
        "add", "random", "2", "0.50x", "0.75x", "2.00x", "3.00x",
    ]  # fmt: skip
    assert page.count("| 4x4") == 2


def test_wrong_options_say_what_there_is(capsys):
    with pytest.raises(SystemExit):
        neighbours.parse(["--only", "nonsense"])
    assert "no family matches 'nonsense'; there are: product" in capsys.readouterr().err


def test_a_worker_that_died_is_begun_again(monkeypatch, tmp_path):
    made = []

    class Mortal:
        def ask(self, op, timeout_s, **fields):
            if op == "die":
                raise neighbours.WorkerError("killed")
            return {"op": op}

        def close(self):
            made.append("closed")

    monkeypatch.setattr(neighbours, "start", lambda *_: made.append("begun") or Mortal())
    kept = neighbours.Kept(None, 1, tmp_path)  # type: ignore[arg-type]
    assert kept.ask("time", 1.0) == {"op": "time"}
    kept.close()
    with pytest.raises(neighbours.WorkerError):
        kept.ask("die", 1.0)
    kept.ask("time", 1.0)
    kept.end()
    assert made == ["begun", "closed", "begun", "closed"]

"""Searching schedules: the fastest is found, kept, and taken; nothing depends on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.backend.codegen.llvm import Entry, disk_cache
from lamina.backend.compile import build, choices, compile_graph
from lamina.backend.targets import select
from lamina.backend.tuning import search
from lamina.backend.tuning.kernels import kernels_of
from lamina.backend.tuning.trial import Trial
from lamina.base.errors import CacheWarning


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a process that knows nothing."""
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("LAMINA_TUNED", raising=False)
    afresh(monkeypatch)
    return tmp_path


def afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process."""
    monkeypatch.setattr(choices, "_known", {})
    monkeypatch.setattr(build, "_programs", {})


def times(monkeypatch: pytest.MonkeyPatch, seconds: Callable[[str], float]) -> list[str]:
    """Candidates take so long, by their names; which are sampled."""
    seen: list[str] = []

    def sample(self: Trial, inputs: Any, repeats: int) -> float:
        seen.append(self.candidate.name)
        return seconds(self.candidate.name)

    monkeypatch.setattr(Trial, "sample", sample)
    monkeypatch.setattr(search, "STEP_SHARE", 0.001)
    monkeypatch.setattr(search, "FINAL_SHARE", 0.001)
    monkeypatch.setattr(search, "FAR", 100.0)  # whatever a processor's model expects of them
    return seen


def halves(name: str) -> float:
    """Each of two settings makes it twice as fast."""
    given = name.split(" ")
    return 1e-3 * 0.5 ** sum(part in given for part in ("tasks=1", "columns=place"))


def product(n: int = 70) -> Any:
    return lm.jit(lambda x, y: x @ y), lm.ones((n, n)), lm.ones((n, n + 3))


def policies_of(f: Any, *args: Any) -> list[str]:
    return [step.policy for step in f.program(*args).record.lowered.steps]


def test_small_steps_lead_to_the_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    times(monkeypatch, halves)
    f, x, y = product(256)
    (found,) = lm.tune(f, x, y, seconds=60.0).found
    assert set(found.best.split(" ")[1:]) >= {"columns=place", "tasks=1"}
    assert found.model.startswith("tiled")
    assert found.gain == pytest.approx(4.0)
    assert not found.differing


def test_what_was_found_is_taken_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """BE-28: by programs from then on, in this process and the next; a second run reads it."""
    seen = times(monkeypatch, halves)
    f, x, y = product(256)
    assert policies_of(f, x, y) == ["contract"]
    (found,) = lm.tune(f, x, y, seconds=60.0).found
    assert policies_of(f, x, y) == [f"contract: {found.best}"]
    afresh(monkeypatch)
    seen.clear()
    (again,) = lm.tune(lm.jit(lambda a, b: a @ b), x, y).found
    assert again.known
    assert again.best == found.best
    assert not seen
    np.testing.assert_allclose(f(x, y).numpy(), np.full((256, 259), 256.0), rtol=1e-6)
    monkeypatch.setenv("LAMINA_TUNED", "off")
    f.clear()
    assert policies_of(f, x, y) == ["contract"]


def test_that_nothing_was_faster_is_kept_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = times(monkeypatch, lambda name: 1e-3)
    f, x, y = product()
    (found,) = lm.tune(f, x, y, seconds=60.0).found
    assert found.best == found.model
    assert policies_of(f, x, y) == ["contract"]
    seen.clear()
    assert lm.tune(f, x, y).found[0].known
    assert not seen
    assert not lm.tune(f, x, y, again=True, seconds=60.0).found[0].known
    assert seen


def test_a_gain_within_the_spread_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    noisy = lambda name: (0.97 if "tasks=1" in name else 1.0) * 1e-3 * rng.uniform(0.7, 1.3)
    times(monkeypatch, noisy)
    f, x, y = product()
    (found,) = lm.tune(f, x, y, seconds=60.0).found
    assert found.best == found.model


def test_a_wrong_candidate_is_reported_and_never_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    times(monkeypatch, halves)
    right = search.results

    def results(one: Trial, *rest: Any) -> list[np.ndarray]:
        return [a + ("columns=place" in one.candidate.name) for a in right(one, *rest)]

    monkeypatch.setattr(search, "results", results)
    f, x, y = product(256)
    found = lm.tune(f, x, y, seconds=60.0)
    (one,) = found.found
    assert "columns=place" not in one.best
    assert any("columns=place" in name for name in one.differing)
    assert "differs" in str(found)


@pytest.mark.parametrize(
    "shapes", [((1, 300), (300, 200)), ((40, 500), (500, 30)), ((90,) * 2,) * 2]
)
def test_tuned_is_no_slower_and_right(shapes: tuple[tuple[int, int], ...]) -> None:
    """BE-28, measured: the last race decides."""
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(shape, np.float32) for shape in shapes)
    f = lm.jit(lambda a, b: lm.tanh(a @ b))
    found = lm.tune(f, x, y, seconds=0.3)
    assert found.best_s <= found.model_s
    np.testing.assert_allclose(f(x, y).numpy(), np.tanh(x @ y), rtol=1e-4, atol=1e-4)
    assert str(found).startswith("kernel")


def test_kernels_of_loops_are_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(x: Any) -> Any:
        return lm.fori_loop(0, 3, lambda i, y: lm.tanh(y @ y), x)

    f, x = lm.jit(steps), lm.ones((40, 40))
    names = [kernel.name for kernel in kernels_of(f.program(x))]
    assert any("contract" in name for name in names)


def test_several_outputs_and_integers_are_measured() -> None:
    def f(table: Any, index: Any) -> Any:
        rows = table[index]
        return rows.sum(axis=0), rows * 2.0, lm.exp(rows).sum(axis=1)

    table, index = lm.ones((50, 70)), lm.asarray(np.arange(20) % 7)
    assert lm.tune(f, table, index, seconds=0.1).found


# ------------------------------------------------------------------ the file


def written(cache: Path, text: bytes) -> None:
    """A file of choices for this machine with such contents."""
    target, disk = select(), disk_cache("tuned", ".choices")
    assert disk is not None
    version = choices._version()
    disk.write(Entry(choices._file_key(target), version, target.key, "", 0, text))


GOOD = {"name": "tiled tasks=1", "kernel": "k", "model_s": 1.0, "best_s": 0.5}


@pytest.mark.parametrize(
    "row",
    [
        None,
        [],
        {},
        {**GOOD, "name": 3},
        {**GOOD, "name": "x" * 1000},
        {**GOOD, "best_s": -1.0},
        {**GOOD, "best_s": 1e9},
        {**GOOD, "more": 1},
    ],
)
def test_rows_that_are_not_well_formed_are_left_out(row: Any, cache: Path) -> None:
    written(cache, json.dumps({"bad": row, "good": GOOD}).encode())
    assert list(choices.known(select()).found) == ["good"]


@pytest.mark.parametrize("text", [b"", b"[", b"[]", b"3", b"\xff\xfe", b"{" * 100_000])
def test_text_that_is_not_ours_is_none(text: bytes, cache: Path) -> None:
    written(cache, text)
    assert not choices.known(select()).found


def test_a_damaged_file_is_reported_and_the_model_taken(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times(monkeypatch, halves)
    f, x, y = product(256)
    lm.tune(f, x, y, seconds=60.0)
    (path,) = (cache / "tuned").glob("*.choices")
    path.write_bytes(path.read_bytes()[:-7])
    afresh(monkeypatch)
    f.clear()
    with pytest.warns(CacheWarning, match="checksum"):
        assert policies_of(f, x, y) == ["contract"]


def test_a_choice_that_names_nothing_is_the_model_s(monkeypatch: pytest.MonkeyPatch) -> None:
    f, x, y = product()
    (kernel,) = kernels_of(f.program(x, y))
    key = choices.key_of(kernel.body)
    choices.keep(select(), {key: choices.Choice("spiral size=3", "k", 1.0, 0.5)})
    f.clear()
    np.testing.assert_allclose(f(x, y).numpy(), np.full((70, 73), 70.0))


def test_other_machines_have_other_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    target = select()
    other = target.with_caches(l2_bytes=1 << 18)
    choices.keep(target, {"k": choices.Choice(**GOOD)})
    assert choices.known(target).state
    assert not choices.known(other).state
    afresh(monkeypatch)
    assert choices.known(target).found["k"].name == GOOD["name"]
    assert choices.forget(target) == 1
    assert not choices.known(target).found


def test_programs_on_disk_know_the_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was kept before a search is not taken after it."""
    from lamina.backend.compile import kept

    graph = lm.jit(lambda x: x @ x).lower(lm.ones((70, 70))).graph
    monkeypatch.setattr(kept, "LEAST_NODES", 0)
    plain = kept.key_of(graph, select(), 3, False)
    assert plain is not None
    assert kept.key_of(graph, select(), 3, False, (), "state") != plain
    before = compile_graph(graph)
    choices.keep(select(), {"k": choices.Choice(**GOOD)})
    assert compile_graph(graph) is not before
    assert compile_graph(graph, generic=True) is compile_graph(graph, generic=True)

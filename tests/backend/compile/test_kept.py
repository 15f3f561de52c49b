"""Programs on disk: found again, equal, and rebuilt where they cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.backend.compile import build, kept
from lamina.base.errors import BoundsError, CacheWarning

STEPS = 20


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a process that has compiled nothing."""
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kept, "LEAST_S", 0.0)
    monkeypatch.setattr(build, "_programs", {})
    monkeypatch.setattr("lamina.backend.codegen.llvm.objects._ENTRIES", {})
    return tmp_path


def files(cache: Path) -> list[Path]:
    return sorted((cache / "programs").glob("*.program"))


def long(x: Any, w: Any) -> Any:
    """A chain of products: many nodes, a constant, an input that comes out as it is."""
    for i in range(STEPS):
        x = lm.tanh(lm.matmul(x, w) + np.arange(7, dtype=np.float32) * i)
    return x, w, x.sum(axis=0), lm.asarray([1.0, 2.0])


def arguments(rows: int = 5) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x, w = (lm.asarray(rng.standard_normal(s, np.float32)) for s in ((rows, 7), (7, 7)))
    return x, w


def compiled_anew(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The graphs that are compiled from here on, in a process that has compiled nothing."""
    seen: list[Any] = []
    before = build._compile

    def compile(graph: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(graph)
        return before(graph, *args, **kwargs)

    monkeypatch.setattr(build, "_programs", {})
    monkeypatch.setattr(build, "_compile", compile)
    return seen


def test_found_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lm.jit(long)(*arguments())
    assert len(files(cache)) == 1
    seen = compiled_anew(monkeypatch)
    again = lm.jit(long)
    for a, b in zip(first, again(*arguments()), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert not seen
    record = again.program(*arguments()).record  # how it came to be is found out when asked for
    assert len(seen) == 1
    assert record.kernels and record.lowered is not None


def test_the_executor_is_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for executor in ("threads", "graph"):
        lm.jit(long, executor=executor)(*arguments())
    assert len(files(cache)) == 2
    seen = compiled_anew(monkeypatch)
    for executor in ("threads", "graph"):
        again = lm.jit(long, executor=executor)
        assert again.program(*arguments()).program.mode == executor
    assert not seen


def test_what_runs_once_is_known(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def layers(w: Any, x: Any) -> Any:
        scale = lm.exp(w)
        for _ in range(STEPS):
            x = lm.tanh(lm.matmul(x, scale) + 1.0)
        return x

    w = lm.asarray(np.random.default_rng(0).standard_normal((32, 32)), copy=True)
    x = lm.ones((32, 32))
    plain = lm.jit(layers)(w, x)
    lm.jit(layers, frozen="w")(w, x)
    assert len(files(cache)) == 2
    seen = compiled_anew(monkeypatch)
    again = lm.jit(layers, frozen="w")
    program = again.program(w, x).program
    program.profile()
    for _ in range(3):
        np.testing.assert_allclose(again(w, x).numpy(), plain.numpy(), rtol=1e-6)
    calls = {task.once: timing.calls for task, timing in zip(program.tasks(), program.timings())}
    assert not seen and calls == {True: 1, False: 3} and program.native.frozen == [0]


def test_another_shape_target_or_level_is_another_program(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm.jit(long)(*arguments())
    lm.jit(long)(*arguments(6))
    monkeypatch.setenv("LAMINA_OPT", "1")
    lm.jit(long)(*arguments())
    monkeypatch.setenv("LAMINA_TARGET", "generic")
    lm.jit(long)(*arguments())
    assert len(files(cache)) == 4


def test_another_compiler_is_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    lm.jit(long)(*arguments())
    seen = compiled_anew(monkeypatch)
    monkeypatch.setattr(kept, "_sources", lambda: "other")
    lm.jit(long)(*arguments())
    assert len(seen) == 1


def test_lines_do_not_matter(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lm.jit(long)(*arguments())
    seen = compiled_anew(monkeypatch)

    def same(x: Any, w: Any) -> Any:
        for i in range(STEPS):
            x = lm.matmul(x, w) + np.arange(7, dtype=np.float32) * i
            x = lm.tanh(x)
        return x, w, x.sum(axis=0), lm.asarray([1.0, 2.0])

    lm.jit(same)(*arguments())
    assert not seen


def test_errors_name_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def picked(x: Any, w: Any, i: Any) -> Any:
        return long(x, w)[0][i].sum()

    wrong = lm.asarray([9])
    for _ in range(2):
        with pytest.raises(BoundsError, match=r"9.*") as caught:
            lm.jit(picked)(*arguments(), wrong).block()
        assert "test_kept.py" in str(caught.value)
        compiled_anew(monkeypatch)


def test_kernel_that_is_gone(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lm.jit(long)(*arguments())
    monkeypatch.setattr("lamina.backend.codegen.llvm.objects._ENTRIES", {})
    next((cache / "kernels").glob("*.kernel")).unlink()
    seen = compiled_anew(monkeypatch)
    lm.jit(long)(*arguments())
    assert len(seen) == 1


@pytest.mark.parametrize("damage", [lambda d: d[:40], lambda d: d[:-3] + b"abc", lambda d: b""])
def test_damaged_file_is_rebuilt(damage: Any, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lm.jit(long)(*arguments())[0].numpy()
    (path,) = files(cache)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    seen = compiled_anew(monkeypatch)
    with pytest.warns(CacheWarning, match="the program is rebuilt"):
        np.testing.assert_array_equal(lm.jit(long)(*arguments())[0].numpy(), first)
    assert len(seen) == 1
    assert path.read_bytes() == whole


def test_not_kept(cache: Path) -> None:
    """Library calls, Python, and users' operators, whose text does not say what they compute."""

    @lm.custom_op
    def twice(x: Any) -> Any:
        return x

    @twice.deflower
    def _(x: Any) -> Any:
        return x * 2.0

    x, w = arguments()
    lm.jit(lambda x, w: lm.linalg.inv(w + long(x, w)[0].sum()))(x, w)
    lm.jit(lambda x, w: twice(long(x, w)[0]))(x, w)
    lm.jit(lambda x, w: lm.pure_callback(np.sin, x, long(x, w)[0]))(x, w)
    assert not files(cache)


def test_a_branch_that_is_decided_counts() -> None:
    """Its operator of a user's is gone from the program, but stands in the text that names it."""

    @lm.custom_op
    def thrice(x: Any) -> Any:
        return x

    @thrice.deflower
    def _(x: Any) -> Any:
        return x * 3.0

    def f(x: Any, w: Any) -> Any:
        y = long(x, w)[0]
        return lm.cond(lm.asarray(True), lambda: y + 1.0, lambda: thrice(y))

    graph = lm.jit(f).graph(*arguments())
    assert kept.key_of(graph, build.select(), 3, False) is None


def test_body_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def looped(x: Any, w: Any) -> Any:
        return lm.fori_loop(0, 3, lambda i, x: long(x, w)[0], x)

    first = lm.jit(looped)(*arguments()).numpy()
    seen = compiled_anew(monkeypatch)
    np.testing.assert_array_equal(lm.jit(looped)(*arguments()).numpy(), first)
    assert len(seen) == 1  # what is around it


PROGRAM = """
import sys
import numpy as np, lamina as lm
from lamina.backend.compile import build, kept
kept.LEAST_S = 0.0
compiled = []
before = build._compile
build._compile = lambda graph, *a, **k: (compiled.append(graph), before(graph, *a, **k))[1]

def long(x, w):
    for _ in range(20):
        x = lm.tanh(lm.matmul(x, w)) + lm.exp(-x)
    return x

x = lm.asarray(np.linspace(-1, 1, 49, dtype=np.float32).reshape(7, 7))
print(repr(lm.jit(lm.grad(lambda x: long(x, x).sum()))(x).numpy().tobytes()))
print(len(compiled))
compiler = ("compile.anew", "compile.lower", "nest.nodes", "codegen.llvm.emit", "schedule.policies")
print(*[name for name in compiler if f"lamina.backend.{name}" in sys.modules])
"""


def test_in_another_process(cache: Path) -> None:
    def run() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "LAMINA_CACHE_DIR": str(cache)},
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        *results, compiled, modules = done.stdout.splitlines()
        return ["".join(results), compiled, modules]

    (first, compiled, modules), (again, later, fewer) = run(), run()
    assert first == again
    assert (compiled, later) == ("1", "0")
    assert modules.count(" ") == 4
    assert fewer == "", "the compiler was imported for nothing"


def test_cache_that_is_off(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE_DIR", "off")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lm.jit(long)(*arguments())
    assert not files(cache)

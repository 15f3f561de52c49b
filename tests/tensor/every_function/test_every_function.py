"""Every public function of tensors: both modes of derivatives against central differences, second
derivatives, batches, batches of gradients and gradients of batches against loops; and all of them
once more inside `jit`.

The oracle is NumPy's: outside `jit` the reference evaluates, inside the compiler does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.backend import execution
from lamina.base.dtypes import DType
from lamina.tensor import api, eager
from tests.tensor.every_function import array_functions, room_functions
from tests.tensor.every_function.table import Case

TABLES = (array_functions, room_functions)
CASES: list[Case] = [case for table in TABLES for case in table.CASES]
REASONS = {
    name: reason
    for table in TABLES
    for reason, names in table.REASONS.items()
    for name in names.split()
}
ROOMS = ("linalg", "fft", "special", "functional", "random", "sparse")
EXAMPLES = 3
STEP = 1e-3
ROOT = Path(__file__).parents[3]


# ------------------------------------------------------------------ nothing is forgotten


def public() -> dict[str, Any]:
    """Every public function by its name; what two rooms share goes by its first name."""
    found = {n: getattr(api, n) for n in api.__all__}
    for room in ROOMS:
        module = getattr(lm, room)
        names = getattr(module, "__all__", None) or [n for n in vars(module) if n[0] != "_"]
        for n in names:
            f = getattr(module, n)
            if callable(f) and all(f is not known for known in found.values()):
                found[f"{room}.{n}"] = f
    types = (DType, lm.Tensor)
    return {n: f for n, f in found.items() if not isinstance(f, types) and f not in types}


def test_every_public_function_has_a_case_or_a_reason() -> None:
    names = {case.name for case in CASES}
    assert sorted(set(public()) - names - set(REASONS)) == []
    assert sorted(names & set(REASONS)) == []
    rest = set(REASONS) | {n for n in names if not n.startswith("Tensor")}
    assert sorted(n for n in rest if not hasattr(*_owner(n))) == []


def _owner(name: str) -> tuple[Any, str]:
    room, _, own = name.rpartition(".")
    return (getattr(lm, room) if room else lm), own


def test_what_was_seen_to_have_a_gradient_has_a_case() -> None:
    """The page of the array standard tries every call."""
    rows = re.findall(r"^\| `([\w.]+)` \| yes \| \w* \| (\S*) \|", (
        ROOT / "docs" / "array-standard.md").read_text(), re.M)  # fmt: skip
    assert len(rows) > 200
    names = {case.name for case in CASES}
    assert [n for n, gradient in rows if gradient == "yes" and n not in names
            and n.rpartition(".")[2] not in names] == []  # fmt: skip


# ------------------------------------------------------------------ what is computed


def outputs(case: Case) -> Callable[..., list[lm.Tensor]]:
    """The call as a function that gives a list of floating and complex tensors."""

    def call(*xs: Any) -> list[lm.Tensor]:
        leaves = lm.tree.leaves(case.call(*xs))
        return [t for t in leaves if isinstance(t, lm.Tensor) and t.dtype.is_inexact]

    return call


class Checks:
    """Everything that is asked of one call, as functions of its operands."""

    def __init__(self, case: Case, seed: int = 4):
        rng = np.random.default_rng(seed)
        self.call = outputs(case)
        self.many = [o.draw(rng, EXAMPLES) for o in case.operands]
        self.dots = [o.direction(rng) for o in case.operands]
        made = self.call(*[lm.asarray(x[0]) for x in self.many])
        assert made, "nothing that varies comes out"
        assert all(t.dtype in (lm.float64, lm.complex128) for t in made)
        self.bars = [rng.uniform(0.5, 1.0, t.shape) * (1 + 0.5j * t.dtype.is_complex) for t in made]
        self.every = tuple(range(len(self.many)))

    def loss(self, *xs: Any) -> lm.Tensor:
        """A real number in which all elements meet, so that second derivatives do not vanish."""
        total = lm.zeros((), dtype=lm.float64)
        for y, bar in zip(self.call(*xs), self.bars, strict=True):
            total = total + lm.sum(lm.real(y * bar)) + 0.5 * lm.sum(lm.real(y * lm.conj(y)))
        return total

    def gradient(self, *xs: Any) -> tuple[lm.Tensor, ...]:
        return lm.grad(self.loss, self.every)(*xs)

    def forward(self, *xs: Any) -> list[lm.Tensor]:
        return lm.jvp(self.call, xs, [lm.asarray(d) for d in self.dots])[1]

    def second(self, *xs: Any) -> tuple[lm.Tensor, ...]:
        return lm.jvp(self.gradient, xs, [lm.asarray(d) for d in self.dots])[1]

    def gradient_of_batch(self, *xs: Any) -> tuple[lm.Tensor, ...]:
        total = lambda *ys: lm.sum(lm.vmap(self.loss)(*ys))
        return lm.grad(total, self.every)(*xs)

    def all(self, *many: Any) -> list[Any]:
        """What `NAMES` says."""
        first = [x[0] for x in many]
        return [
            self.call(*first),
            self.forward(*first),
            self.gradient(*first),
            self.second(*first),
            lm.vmap(self.call)(*many),
            lm.vmap(self.gradient)(*many),
            self.gradient_of_batch(*many),
        ]

    def compiled(self, *many: Any) -> list[Any]:
        """A value and a gradient of many examples at once, which goes through the most."""
        return [lm.vmap(self.call)(*many), self.gradient_of_batch(*many)]

    def compiled_second(self, *many: Any) -> tuple[lm.Tensor, ...]:
        return lm.vmap(self.second)(*many)


NAMES = ("value", "jvp", "gradient", "second", "vmap", "vmap of grad", "grad of vmap")


# ------------------------------------------------------------------ what it is compared with


def arrays(tree: Any) -> list[np.ndarray]:
    return [np.asarray(t) for t in lm.tree.leaves(tree)]


def differences(moved: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Central differences of fourth order, from what a function gives at four places."""
    return [(8 * (a - b) - (c - d)) / (12 * STEP) for a, b, c, d in zip(*moved, strict=True)]


def close(what: str, got: list[np.ndarray], wanted: list[np.ndarray], tolerance: float) -> None:
    assert len(got) == len(wanted), what
    for g, w in zip(got, wanted, strict=True):
        assert g.shape == w.shape and g.dtype == w.dtype, (what, g.shape, w.shape)
        scale = tolerance * float(np.abs(w).max(initial=0.1))
        np.testing.assert_allclose(g, w, tolerance, scale, err_msg=what)


@contextmanager
def by_reference() -> Iterator[None]:
    before = execution.back_end()
    execution.use("reference")
    try:
        yield
    finally:
        execution.use(before)  # type: ignore[arg-type]
        eager.clear_programs()


def stacked(rows: Sequence[list[np.ndarray]]) -> list[np.ndarray]:
    return [np.stack(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivatives_and_batches(case: Case) -> None:
    asked = Checks(case)
    many, firsts = [lm.asarray(x) for x in asked.many], [x[0] for x in asked.many]
    with by_reference():
        found = dict(zip(NAMES, map(arrays, asked.all(*many)), strict=True))
        each = lm.jit(lambda *xs: [asked.call(*xs), asked.gradient(*xs), asked.loss(*xs)])
        at = lambda xs: [arrays(part) for part in each(*map(np.asarray, xs))]
        moved = [
            at([x + t * STEP * d for x, d in zip(firsts, asked.dots, strict=True)])
            for t in (1, -1, 2, -2)
        ]
        rows = [at([x[i] for x in asked.many]) for i in range(EXAMPLES)]
        further = lm.jit(lambda *xs: [asked.forward(*xs), asked.second(*xs)])
        forward, second = map(arrays, further(*map(np.asarray, firsts)))
    call, gradient, _ = [stacked(part) for part in zip(*rows, strict=True)]
    by_step, gradient_by_step, slope = [differences(part) for part in zip(*moved, strict=True)]
    close("jvp", found["jvp"], by_step, 1e-6)
    paired = [np.real(np.sum(g * d)) for g, d in zip(found["gradient"], asked.dots, strict=True)]
    close("vjp", [np.sum(paired)], slope, 1e-6)
    close("second", found["second"], gradient_by_step, 1e-6)
    close("vmap", found["vmap"], call, 1e-12)
    close("vmap of grad", found["vmap of grad"], gradient, 1e-11)
    close("grad of vmap", found["grad of vmap"], gradient, 1e-11)
    close("jvp inside jit", forward, found["jvp"], 1e-12)
    close("second inside jit", second, found["second"], 1e-12)
    values, slopes = lm.jit(asked.compiled)(*many)
    close("vmap inside jit", arrays(values), call, 1e-10)
    close("grad of vmap inside jit", arrays(slopes), gradient, 1e-10)


@pytest.mark.parametrize("case", CASES[::8], ids=str)
def test_second_derivatives_compiled(case: Case) -> None:
    """Of some cases: what compiles a gradient compiles its derivative."""
    asked = Checks(case)
    many = [lm.asarray(x) for x in asked.many]
    compiled = arrays(lm.jit(asked.compiled_second)(*many))
    with by_reference():
        close("second", compiled, arrays(asked.compiled_second(*many)), 1e-10)


# ------------------------------------------------------------------ what has no derivative

PLACES = np.array([[0, 2, 1], [1, 0, 2], [2, 2, 0]])
NUMBERS = np.random.default_rng(8).permutation(12.0 * np.arange(12)).reshape(3, 4) / 7.0
WITHOUT = {
    "argpartition": (lambda x: lm.argpartition(x, 1), NUMBERS),
    "one_hot": (lambda n: lm.one_hot(n, 4), PLACES),
    "ravel_multi_index": (lambda n: lm.ravel_multi_index((n, n), (3, 4)), PLACES),
    "unravel_index": (lambda n: lm.unravel_index(n, (2, 3)), PLACES),
    "bincount": (lambda n: lm.bincount(n, length=3), PLACES),
    "ix_": (lambda n: lm.ix_(n, n), PLACES),
    "histogram": (lambda x: lm.histogram(x, 3, range=(0.0, 20.0))[0], NUMBERS),
    "keep_top_k": (lambda x: lm.exp(lm.functional.keep_top_k(x, 2)), NUMBERS),
    "keep_top_p": (lambda x: lm.exp(lm.functional.keep_top_p(x, 0.9)), NUMBERS),
    "rotary_angles": (lambda n: lm.functional.rotary_angles(n, 4), PLACES),
    "pure_callback": (lambda x: lm.pure_callback(np.cumsum, x, x), NUMBERS),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_what_has_no_derivative_against_a_loop(name: str) -> None:
    """Under `vmap`, inside `jit` and not; the page of the array standard tries the others."""
    f, given = WITHOUT[name]
    many = lm.asarray(given)
    wanted = stacked([arrays(f(lm.asarray(x))) for x in given])
    close("vmap", arrays(lm.vmap(f)(many)), wanted, 1e-12)
    close("vmap inside jit", arrays(lm.jit(lm.vmap(f))(many)), wanted, 1e-12)


def test_the_page_tries_what_has_no_derivative_under_vmap() -> None:
    """Booleans and integers; what has no shape before the values are known cannot be tried."""
    page = (ROOT / "docs" / "array-standard.md").read_text()
    rows = re.findall(r"^\| `([\w.]+)` \| yes \| (\w*) \| \S* \| (\w*) \|", page, re.M)
    tried = {n.rpartition(".")[2] for n, *marks in rows if marks == ["yes", "yes"]}
    excused = [
        name
        for table in TABLES
        for reason, names in table.REASONS.items()
        for name in names.split()
        if reason in ("gives booleans or integers", "takes integers")
    ]
    untried = {n for n in excused if n not in tried and n not in WITHOUT}
    assert untried == {"argwhere", "flatnonzero", "nonzero"}

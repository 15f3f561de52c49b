"""A look at a value that does not exist yet, inside `jit` and `vmap`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import lamina as lm
from tests.errors.messages import whole

X = lm.ones((2, 3))


def test_branch_inside_jit() -> None:
    @lm.jit
    def f(x: lm.Tensor) -> lm.Tensor:
        if x.sum() > 0:
            return x
        return -x

    with pytest.raises(lm.TraceError) as error:
        f(X)
    assert whole(error) == (
        "bool(): the tensor has no value yet inside jit\n"
        "  tensor: bool[]\n"
        "  made at test_branch_inside_jit.<locals>.f: if x.sum() > 0:\n"
        "  help: choose between values with lm.where(condition, x, y), or look outside jit; "
        'lm.jit(f, control_flow="convert") turns if and while into lm.cond and lm.while_loop\n'
        "  at test_branch_inside_jit.<locals>.f: if x.sum() > 0:"
    )


LOOKS: dict[str, Callable[[lm.Tensor], object]] = {
    "float()": float,
    "int()": int,
    "bool()": bool,
    "index()": range,
    "item()": lambda t: t.item(),
    "tolist()": lambda t: t.tolist(),
    "numpy()": lambda t: t.numpy(),
    "__array__()": np.asarray,
    "format()": lambda t: f"{t:.2f}",
    "block()": lambda t: t.block(),
}


@pytest.mark.parametrize("transform", ["jit", "vmap"])
@pytest.mark.parametrize("name", LOOKS)
def test_every_look(name: str, transform: str) -> None:
    x = lm.asarray([1, 2], dtype=lm.int32)
    look = LOOKS[name]

    def f(x: lm.Tensor) -> object:
        total = x.sum()
        return look(total)

    with pytest.raises(lm.TraceError) as error:
        getattr(lm, transform)(f)(lm.stack([x, x]))
    convert = {"jit": 'lm.jit(f, control_flow="convert")', "vmap": "lm.convert(f)"}[transform]
    branch = f"; {convert} turns if and while into lm.cond and lm.while_loop"
    assert whole(error).splitlines()[:-1] == [
        f"{name}: the tensor has no value yet inside {transform}",
        "  tensor: i64[]",
        "  made at test_every_look.<locals>.f: total = x.sum()",
        "  help: choose between values with lm.where(condition, x, y), or look outside "
        + transform
        + (branch if name == "bool()" else ""),
    ]
    assert "test_traced.py" in str(error.value).splitlines()[-1]


def test_number_that_steers() -> None:
    @lm.jit
    def f(x: lm.Tensor, n: int) -> lm.Tensor:
        return x + lm.zeros(n)

    with pytest.raises(lm.TraceError) as error:
        f(lm.ones((3,)), 3)
    assert whole(error) == (
        "index(): the tensor has no value yet inside jit\n"
        "  tensor: i64[]\n"
        "  help: choose between values with lm.where(condition, x, y), or look outside jit; "
        "a Python number that steers the program goes into static_argnames\n"
        "  at test_number_that_steers.<locals>.f: return x + lm.zeros(n)"
    )
    assert lm.jit(lambda x, n: x + lm.zeros(n), static_argnames="n")(lm.ones((3,)), 3).shape == (3,)


def test_vmap_inside_jit_names_vmap() -> None:
    each = lm.vmap(lambda row: float(row.sum()))
    with pytest.raises(lm.TraceError) as error:
        lm.jit(lambda x: each(x))(X)
    assert whole(error) == (
        "float(): the tensor has no value yet inside vmap\n"
        "  tensor: f32[]\n"
        "  made at test_vmap_inside_jit_names_vmap.<locals>.<lambda>: "
        "each = lm.vmap(lambda row: float(row.sum()))\n"
        "  help: choose between values with lm.where(condition, x, y), or look outside vmap\n"
        "  at test_vmap_inside_jit_names_vmap.<locals>.<lambda>: "
        "each = lm.vmap(lambda row: float(row.sum()))"
    )


@pytest.mark.parametrize("transform", ["jit", "vmap"])
def test_tensor_that_escaped(transform: str) -> None:
    kept: list[lm.Tensor] = []

    def f(x: lm.Tensor) -> lm.Tensor:
        kept.append(x * 2)
        return x

    getattr(lm, transform)(f)(X)
    with pytest.raises(lm.TraceError) as error:
        kept[0].numpy()
    shape = "2,3" if transform == "jit" else "3"
    assert whole(error) == (
        f"numpy(): the tensor was made inside {transform} and has no value outside\n"
        f"  tensor: f32[{shape}]\n"
        "  made at test_tensor_that_escaped.<locals>.f: kept.append(x * 2)\n"
        "  help: return it from the function, or assign it to an attribute of an argument\n"
        "  at test_tensor_that_escaped: kept[0].numpy()"
    )


@pytest.mark.parametrize("transform", ["jit", "vmap"])
def test_what_is_no_look(transform: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Printing shows the type; shapes, lengths and iteration need no value."""

    def f(x: lm.Tensor) -> lm.Tensor:
        print(x, f"{x}")
        return lm.stack([row * len(x) for row in x])

    found = getattr(lm, transform)(f)(lm.ones((2, 2, 3)))
    assert found.shape == (2, 2, 3)
    shown = f"Tensor(traced by {transform}, shape={(2, 2, 3) if transform == 'jit' else (2, 3)}"
    assert capsys.readouterr().out == f"{shown}, dtype=float32) {shown}, dtype=float32)\n"


def test_grad_may_look() -> None:
    assert lm.grad(lambda x: x.sum() if x.sum() > 0 else -x.sum())(-X).tolist() == [[-1.0] * 3] * 2


def test_a_look_from_numpy_is_the_users_line() -> None:
    f = lm.jit(lambda x: np.testing.assert_allclose(x, 1))
    with pytest.raises(lm.TraceError) as error:
        f(X)
    assert whole(error).splitlines()[-1] == (
        "  at test_a_look_from_numpy_is_the_users_line.<locals>.<lambda>: "
        "f = lm.jit(lambda x: np.testing.assert_allclose(x, 1))"
    )

"""Indices outside their axis: known while tracing, or found by a compiled kernel.

CG-18: the message names the line of the very node that failed, whatever it was fused with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

import lamina as lm
from lamina.backend import execution
from lamina.graph.ops import checking
from tests.errors.messages import whole

TABLE = np.arange(12.0, dtype=np.float32).reshape(4, 3)
GOOD = lm.asarray([1, 2])
BAD = lm.asarray([1, 9])


@pytest.fixture
def table() -> lm.Tensor:
    return lm.asarray(TABLE)


@pytest.fixture(params=["compiled", "reference"])
def back_end(request: pytest.FixtureRequest) -> Iterator[str]:
    before = execution.back_end()
    execution.use(request.param)
    yield request.param
    execution.use(before)  # type: ignore[arg-type]


# ------------------------------------------------------------------ known while tracing


def test_static_index(table: lm.Tensor) -> None:
    with pytest.raises(lm.BoundsError) as error:
        table[:, 3]
    assert whole(error) == (
        "index 3 is out of range for axis 1 with size 3\n"
        "  help: indices run from -3 to 2\n"
        "  at test_static_index: table[:, 3]"
    )


def test_static_index_inside_jit() -> None:
    f = lm.jit(lambda x: x[4])
    with pytest.raises(lm.BoundsError) as error:
        f(lm.zeros((4,)))
    assert whole(error) == (
        "index 4 is out of range for axis 0 with size 4\n"
        "  help: indices run from -4 to 3\n"
        "  at test_static_index_inside_jit.<locals>.<lambda>: f = lm.jit(lambda x: x[4])"
    )


def test_too_many_indices(table: lm.Tensor) -> None:
    with pytest.raises(lm.BoundsError) as error:
        table[0, 0, 0]
    assert whole(error) == (
        "index: 3 indices for 2 axes\n"
        "  tensor: f32[4,3]\n"
        "  at test_too_many_indices: table[0, 0, 0]"
    )


# ------------------------------------------------------------------ found while running


def outside(line: str, op: str = "gather") -> str:
    return (
        f"{op}: index 9 is outside the axis\n"
        "  index: 9\n"
        "  axis:  4 elements\n"
        "  help: positions go from 0 to 3; check the indices, or clip them first\n"
        f"  at {line}"
    )


def test_eager(table: lm.Tensor, back_end: str) -> None:
    chosen = table[BAD]
    with pytest.raises(lm.BoundsError) as error:
        chosen.numpy()
    assert whole(error) == outside("test_eager: chosen = table[BAD]")


def test_jitted(table: lm.Tensor, back_end: str) -> None:
    f = lm.jit(lambda x, i: x[i] * 2)
    with pytest.raises(lm.BoundsError) as error:
        f(table, BAD)
    assert whole(error) == outside(
        "test_jitted.<locals>.<lambda>: f = lm.jit(lambda x, i: x[i] * 2)"
    )
    assert f(table, GOOD).tolist() == (TABLE[[1, 2]] * 2).tolist()


def test_negative_index(table: lm.Tensor) -> None:
    chosen = table[lm.asarray([-9])]
    with pytest.raises(lm.BoundsError) as error:
        chosen.numpy()
    assert whole(error) == (
        "gather: index -5 is outside the axis\n"
        "  index: -5, that is -9 counted from the end\n"
        "  axis:  4 elements\n"
        "  help: positions go from 0 to 3; check the indices, or clip them first\n"
        "  at test_negative_index: chosen = table[lm.asarray([-9])]"
    )


def test_empty_axis() -> None:
    chosen = lm.zeros((0, 3))[GOOD]
    with pytest.raises(lm.BoundsError) as error:
        chosen.numpy()
    assert whole(error) == (
        "gather: index 1 is outside the axis\n"
        "  index: 1\n"
        "  axis:  0 elements\n"
        "  help: the axis is empty\n"
        "  at test_empty_axis: chosen = lm.zeros((0, 3))[GOOD]"
    )


def test_gradient_of_a_lookup(table: lm.Tensor) -> None:
    of_rows = lm.grad(lambda x: (x[BAD] ** 2).sum())
    with pytest.raises(lm.BoundsError) as error:
        of_rows(table).numpy()
    assert whole(error) == outside(
        "test_gradient_of_a_lookup.<locals>.<lambda>: "
        "of_rows = lm.grad(lambda x: (x[BAD] ** 2).sum())",
        "scatter_add",
    )


# ------------------------------------------------------------------ CG-18: inside a fused kernel


def two_lookups(x: lm.Tensor, i: lm.Tensor, j: lm.Tensor) -> lm.Tensor:
    first = x[i]
    second = x[j] * 2
    return lm.functional.relu(first + second)


def two_others(x: lm.Tensor, i: lm.Tensor, j: lm.Tensor) -> lm.Tensor:
    left = x[i]
    right = x[j] * 2
    return lm.functional.relu(left + right)


CULPRITS = {
    (two_lookups, 0): "two_lookups: first = x[i]",
    (two_lookups, 1): "two_lookups: second = x[j] * 2",
    (two_others, 0): "two_others: left = x[i]",
    (two_others, 1): "two_others: right = x[j] * 2",
}


@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.parametrize(("f", "which"), CULPRITS)
def test_the_culprit_is_named(
    f: Callable[..., lm.Tensor], which: int, eager: bool, table: lm.Tensor
) -> None:
    """CG-18. Both functions are one program; each is blamed by its own lines."""
    indices = [GOOD, GOOD]
    indices[which] = BAD
    run = f if eager else lm.jit(f)
    with pytest.raises(lm.BoundsError) as error:
        run(table, *indices).numpy()
    assert whole(error) == outside(CULPRITS[f, which])


def test_the_two_lookups_are_one_kernel(table: lm.Tensor) -> None:
    program = lm.jit(two_lookups).program(table, GOOD, lm.asarray([0, 3]))
    (body,) = [step.body for step in program.record.lowered.steps if checking(step.body)]
    assert [v.op.name for v in body.nodes].count("gather") == 2
    assert body.nodes[-1].op.name == "select"  # of relu


AROUND: dict[str, Callable[[lm.Tensor, lm.Tensor], lm.Tensor]] = {
    "map": lambda x, i: lm.exp(x[i]) + 1,
    "one number": lambda x, i: x[i].sum(),
    "columns": lambda x, i: x[i].sum(axis=0),
    "rows": lambda x, i: lm.functional.softmax(x[i]),
    "left": lambda x, i: x[i] @ x.T,
    "right": lambda x, i: x @ x[i].T,
    "after a product": lambda x, i: lm.functional.relu((x @ x.T)[:2, :3] + x[i]),
    "scatter": lambda x, i: lm.grad(lambda y: (y[i] * x[i + 0]).sum())(x),
    "where": lambda x, i: lm.where(x[i] > 0, x[i], 0.0),
    "argmax": lambda x, i: x[i].argmax(axis=1),
    "twice": lambda x, i: x[x[i][:, 0].astype(lm.int64) % 4],
}


@pytest.mark.parametrize("name", AROUND)
def test_every_kind_of_kernel_reports(name: str, table: lm.Tensor) -> None:
    f = lm.jit(AROUND[name])
    with pytest.raises(lm.BoundsError) as error:
        f(table, BAD)
    assert whole(error).splitlines()[1:4] == outside("").splitlines()[1:4]
    assert f'"{name}": lambda x, i:' in str(error.value).splitlines()[-1]
    wanted = AROUND[name](table, GOOD)
    np.testing.assert_allclose(f(table, GOOD).numpy(), wanted.numpy(), rtol=1e-5)


# ------------------------------------------------------------------ what a failure leaves behind


def embedding_step(state: dict[str, lm.Tensor], i: lm.Tensor) -> lm.Tensor:
    loss, grads = lm.value_and_grad(lambda s: ((s["table"][i] @ s["w"]) ** 2).sum())(state)
    for name in state:
        state[name] = state[name] - 0.1 * grads[name]
    return loss


def test_a_failed_step_leaves_its_state(table: lm.Tensor) -> None:
    """Donated memory is written only when nothing can fail any more."""
    state = {"table": (table + 0).block(), "w": lm.ones((3, 5)).block()}
    step = lm.jit(embedding_step)
    for _ in range(2):
        before = {name: t.numpy().copy() for name, t in state.items()}
        with pytest.raises(lm.BoundsError):
            step(state, BAD)
        for name, t in state.items():
            np.testing.assert_array_equal(t.numpy(), before[name], err_msg=name)
        step(state, GOOD)
        assert all((state[name].numpy() != before[name]).any() for name in state)
    assert step.signatures == 1


def test_after_a_failed_step_memory_is_still_reused(table: lm.Tensor) -> None:
    state = {"table": (table + 0).block()}
    slope = lm.grad(lambda t, i: t[i].sum())
    step = lm.jit(lambda s, i: s.update(table=s["table"] - slope(s["table"], i)))
    step(state, GOOD)
    address = state["table"]._value.data.buffer.address
    with pytest.raises(lm.BoundsError):
        step(state, BAD)
    step(state, GOOD)
    assert state["table"]._value.data.buffer.address == address


def test_other_tensors_are_not_stopped(table: lm.Tensor) -> None:
    """A pending tensor that cannot be computed is in nobody's way."""
    wrong = table[BAD]
    right = table[GOOD] + 1
    np.testing.assert_array_equal(right.numpy(), TABLE[[1, 2]] + 1)
    with pytest.raises(lm.BoundsError):
        wrong.numpy()
    with pytest.raises(lm.BoundsError):
        wrong.numpy()

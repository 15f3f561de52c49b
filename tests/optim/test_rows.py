"""Gradients of rows: against PyTorch's sparse ones; rows that are not seen stay to the bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn, optim
from lamina.base.errors import LaminaError, UsageError
from lamina.base.spans import at
from lamina.optim import RowGradient

STEPS = 20
ROWS, WIDTH = 12, 3

# The names of `lamina.optim` and their arguments are those of `torch.optim`.
SPARSE: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("sparse adam", lambda o, p: o.SparseAdam(p, lr=0.05, betas=(0.8, 0.9), eps=1e-3)),
    ("adagrad", lambda o, p: o.Adagrad(p, lr=0.1, lr_decay=0.1)),
    ("sgd", lambda o, p: o.SGD(p, lr=0.1)),
]


def ids(t: int) -> np.ndarray:
    """Some rows, some of them twice; the last four never."""
    return np.random.default_rng(t).integers(0, ROWS - 4, (2, 4))


def table() -> np.ndarray:
    return np.random.default_rng(7).standard_normal((ROWS, WIDTH))


def of_values(values: Any) -> Any:
    """A loss of the rows that were looked up, of either library."""
    return (values**2).sum() + values[0, 0, 0] * values[1, 2].sum()


def embedding(array: np.ndarray) -> Any:
    model = nn.Embedding(ROWS, WIDTH).double()
    model.load_state_dict({"weight": array})
    return model


def step_by_rows(model: Any, optimizer: Any, ids: Any) -> None:
    gradient = lm.grad(of_values)(model.weight[ids])
    optimizer.update(model, {"weight": RowGradient(ids, gradient)})


def step_whole(model: Any, optimizer: Any, ids: Any) -> None:
    optimizer.update(model, lm.grad(lambda model: of_values(model(ids)))(model))


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")
@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
@pytest.mark.parametrize("make", [s[1] for s in SPARSE], ids=[s[0] for s in SPARSE])
def test_rows_move_as_in_torch(make: Callable[[Any, Any], Any], jitted: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    theirs = torch.nn.Embedding(ROWS, WIDTH, sparse=True, _weight=torch.tensor(table()))
    their_optimizer = make(torch.optim, theirs.parameters())
    ours = embedding(table())
    our_optimizer = make(optim, ours)
    move = lm.jit(step_by_rows) if jitted else step_by_rows
    for t in range(STEPS):
        their_optimizer.zero_grad()
        of_values(theirs(torch.tensor(ids(t)))).backward()
        their_optimizer.step()
        move(ours, our_optimizer, lm.asarray(ids(t)))
        expected = theirs.weight.detach().numpy()
        np.testing.assert_allclose(ours.weight.numpy(), expected, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(ours.weight.numpy()[-4:], table()[-4:])
    if jitted:
        assert move.signatures == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda m: optim.SparseAdam(m, lr=0.05),
        lambda m: optim.Adagrad(m, lr=0.1),
        lambda m: optim.RowAdagrad(m, lr=0.1),
        lambda m: optim.SGD(m, lr=0.1),
    ],
)
def test_whole_gradients_that_are_zero_elsewhere_do_the_same(make: Callable[[Any], Any]) -> None:
    by_rows, whole = embedding(table()), embedding(table())
    first, second = make(by_rows), make(whole)
    one, other = lm.jit(step_by_rows), lm.jit(step_whole)
    for t in range(STEPS):
        one(by_rows, first, lm.asarray(ids(t)))
        other(whole, second, lm.asarray(ids(t)))
    np.testing.assert_allclose(by_rows.weight.numpy(), whole.weight.numpy(), rtol=0, atol=1e-12)
    for name, state in first.state["weight"].items():
        np.testing.assert_allclose(
            state.numpy(), second.state["weight"][name].numpy(), rtol=0, atol=1e-12
        )
    np.testing.assert_array_equal(whole.weight.numpy()[-4:], table()[-4:])


def test_moments_of_rows_that_are_not_seen_stay() -> None:
    """Adam itself moves a row further after its gradient has become 0; here it rests."""
    model = embedding(table())
    optimizer = optim.SparseAdam(model, lr=0.1)
    step_by_rows(model, optimizer, lm.asarray([[1, 1, 1, 1], [2, 2, 2, 2]]))
    before = {n: s.numpy() for n, s in optimizer.state["weight"].items()}
    row = model.weight.numpy()[1]
    step_by_rows(model, optimizer, lm.asarray([[3, 3, 3, 3], [2, 2, 2, 2]]))
    np.testing.assert_array_equal(model.weight.numpy()[1], row)
    for name, state in before.items():
        after = optimizer.state["weight"][name].numpy()
        np.testing.assert_array_equal(after[1], state[1])
        assert (after[2] != state[2]).any()


def test_row_adagrad_by_hand() -> None:
    p, s = table(), np.zeros(ROWS)
    model = embedding(p)
    optimizer = optim.RowAdagrad(model, lr=0.1, weight_decay=0.2)
    rng = np.random.default_rng(0)
    for t in range(STEPS):
        rows, g = ids(t).ravel(), rng.standard_normal((8, WIDTH))
        optimizer.update(model, {"weight": RowGradient(lm.asarray(rows), lm.asarray(g))})
        for row in np.unique(rows):
            total = g[rows == row].sum(axis=0) + 0.2 * p[row]
            s[row] += np.mean(total**2)
            p[row] -= 0.1 * total / (np.sqrt(s[row]) + 1e-8)
    np.testing.assert_allclose(model.weight.numpy(), p, rtol=0, atol=1e-12)
    assert optimizer.state["weight"]["sum"].shape == (ROWS, 1)


def test_rows_from_the_end_and_decoupled_decay() -> None:
    """-1 and the last row are one; the decay shrinks the rows that are seen."""
    model = embedding(table())
    optimizer = optim.AdamW(model, lr=0.1, weight_decay=0.5)
    rows = lm.asarray([-1, ROWS - 1, 0])
    values = lm.asarray(np.array([[1.0] * WIDTH, [-1.0] * WIDTH, [2.0] * WIDTH]))
    optimizer.update(model, {"weight": RowGradient(rows, values)})
    found = model.weight.numpy()
    np.testing.assert_allclose(found[-1], table()[-1] * 0.95, rtol=1e-12)
    np.testing.assert_allclose(found[0], table()[0] * 0.95 - 0.1, rtol=1e-6)
    np.testing.assert_array_equal(found[1:-1], table()[1:-1])


def test_clipping_leaves_the_rows() -> None:
    gradient = RowGradient(lm.asarray([3, 5]), lm.asarray([[3.0, 0.0], [0.0, 4.0]]))
    clipped, norm = optim.clip_by_norm({"w": gradient}, 1.0)
    assert float(norm) == 5.0
    assert clipped["w"].rows.tolist() == [3, 5]
    np.testing.assert_allclose(clipped["w"].values.numpy(), [[0.6, 0.0], [0.0, 0.8]], rtol=1e-5)


def test_wrong_shapes() -> None:
    model = embedding(table())
    wrong = RowGradient(lm.asarray([1, 2]), lm.ones((2, WIDTH + 1)))
    with at(None), pytest.raises(LaminaError) as caught:
        optim.SGD(model).update(model, {"weight": wrong})
    assert str(caught.value).split("\n  at ")[0] == (
        "SGD.update: the gradient of rows of weight does not fit\n"
        "  parameter: f64[12,3]\n"
        "  rows:      i64[2]\n"
        "  values:    f32[2,4]\n"
        "  help: rows are integers [*N], values [*N, *F] for a parameter [V, *F]"
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda m: optim.LAMB(m),
        lambda m: optim.Muon(m),
        lambda m: optim.Accumulation(optim.SGD(m), m, 2),
    ],
)
def test_optimizers_of_whole_parameters_refuse_rows(make: Callable[[Any], Any]) -> None:
    model = embedding(table())
    gradient = RowGradient(lm.asarray([1]), lm.ones((1, WIDTH)))
    with pytest.raises(UsageError, match="gradients of rows, where whole ones are needed"):
        make(model).update(model, {"weight": gradient})

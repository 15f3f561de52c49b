"""`jit` with sizes that are symbols: traced once, run at any size, with few kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn, optim
from lamina.backend import execution
from lamina.backend.codegen.llvm import objects
from lamina.functional import cross_entropy, relu

B, T = lm.Dim("B"), lm.Dim("T")
SIZES = (32, 1, 7, 64, 1000)


def close(a: Any, b: Any) -> None:
    for x, y in zip(lm.tree.leaves(a), lm.tree.leaves(b), strict=True):
        assert x.shape == y.shape
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), 2e-5, 2e-6)


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The keys of the different kernels that are asked for."""
    if execution.back_end() != "compiled":
        pytest.skip("only compiled kernels are counted")
    found: set[str] = set()
    key_of = objects.kernel_key

    def noted(nest: Any, target: Any) -> str:
        found.add(key_of(nest, target))
        return key_of(nest, target)

    monkeypatch.setattr(objects, "kernel_key", noted)
    yield found


class Classifier(nn.Module):
    def __init__(self) -> None:
        self.inner = nn.Linear(20, 32)
        self.outer = nn.Linear(32, 10)

    def __call__(self, x: Any) -> Any:
        return self.outer(relu(self.inner(x)))


def examples(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(count)
    return rng.standard_normal((count, 20), np.float32), rng.integers(0, 10, count)


class Training:
    """A model in training, with the losses of its steps and how often its step was traced."""

    def __init__(self, **options: Any):
        lm.random.seed(0)
        self.model = Classifier()
        self.optimizer = optim.AdamW(self.model, lr=1e-2)
        self.traced = 0

        def step(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
            self.traced += 1
            loss, grads = lm.value_and_grad(lambda m: cross_entropy(m(x), y))(model)
            optimizer.update(model, grads)
            return loss

        self.step = lm.jit(step, **options)

    def run(self, sizes: tuple[int, ...]) -> list[float]:
        return [float(self.step(self.model, self.optimizer, *examples(n))) for n in sizes]


def test_a_training_step_is_traced_once_for_all_batch_sizes(kernels: set[str]) -> None:
    symbolic = Training(dynamic_shapes={"x": {0: B}, "y": {0: B}})
    losses = symbolic.run(SIZES)
    concrete = Training()
    np.testing.assert_allclose(losses, concrete.run(SIZES), 1e-5)
    close(list(symbolic.model.parameters()), list(concrete.model.parameters()))
    assert (symbolic.traced, concrete.traced) == (1, len(SIZES))
    assert (len(symbolic.step.traces), symbolic.step.signatures) == (1, len(SIZES))


def test_more_batch_sizes_take_few_more_kernels(kernels: set[str]) -> None:
    symbolic = Training(dynamic_shapes={"x": {0: B}, "y": {0: B}})
    symbolic.run((48, 100))
    few = len(kernels)
    symbolic.run((64, 96, 128, 160, 192))  # products have a kernel for each shape of their tiles
    assert len(kernels) <= few + 5


def test_more_sizes_take_few_more_kernels(kernels: set[str]) -> None:
    @lm.jit(dynamic_shapes={"x": {0: B}})
    def forward(x: Any) -> Any:
        return lm.functional.softmax(lm.exp(x - x.mean(axis=0)) / x.var(axis=0).sum())

    for n in (40, 50):
        forward(np.ones((n, 24), np.float32))
    made = len(kernels)
    for n in range(60, 200, 14):
        forward(np.ones((n, 24), np.float32))
    assert len(kernels) == made
    assert len(forward.traces) == 1


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "statistics": lambda x: (x.mean(axis=0), x.var(axis=0), (x > 0).sum()),
    "numbers": lambda x: x * (1.0 / x.shape[0]) + x.shape[0] ** 0.5 - lm.asarray(x.shape[0]),
    "shapes": lambda x: x.reshape((-1,)).reshape((2 * x.shape[0], 2)).T + lm.ones((4 // 2, 1)),
    "slices": lambda x: x[::-1][:-1] + x[1:] * x[-1],
    "creation": lambda x: lm.arange(x.shape[0]) + lm.eye(x.shape[0]) + lm.zeros(x.shape[:1]),
    "places": lambda x: x[lm.arange(x.shape[0]), lm.argmax(x, axis=1)],
    "order": lambda x: (lm.sort(x, axis=0), lm.roll(x, 1, axis=0), lm.cumulative_sum(x, axis=0)),
    "parts": lambda x: lm.concat([x, x[:1], lm.ones((3, 4))]) + lm.pad(x, ((1, 3), (0, 0))),
    "grad": lambda x: lm.grad(lambda x: (x[1:] * x[:-1]).sum() + lm.exp(x).mean())(x),
    "jvp": lambda x: lm.jvp(lambda x: lm.sin(x) / x.shape[0], [x], [lm.ones_like(x)]),
    "vmap": lambda x: lm.vmap(lm.grad(lambda row: (row * row).mean()))(x),
    "scan": lambda x: lm.scan(lambda s, row: (s + row, s.sum()), lm.zeros((4,)), x),
    "scan over batches": lambda x: lm.scan(
        lambda s, k: (s * k - s.mean(), s[:, 0]), x, lm.asarray([1.0, 2.0])
    ),
    "grad of scan": lambda x: lm.grad(
        lambda x: lm.scan(lambda s, row: (lm.tanh(s + row), None), x[0], x)[0].sum()
    )(x),
    "attention": lambda x: lm.functional.scaled_dot_product_attention(
        x[None], x[None], x[None], is_causal=True
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_give_what_they_give_for_given_sizes(name: str) -> None:
    run = PROGRAMS[name]
    traced = []

    def f(x: Any) -> Any:
        traced.append(x)
        return run(x)

    jitted = lm.jit(f, dynamic_shapes={"x": {0: B}})
    for n in (5, 1, 12):
        x = np.random.default_rng(n).standard_normal((n, 4)).astype(np.float32)
        close(jitted(x), run(lm.asarray(x)))
    assert len(traced) == 1


def test_random_draws_are_those_for_the_size() -> None:
    f = lm.jit(
        lambda x: lm.functional.dropout(x, 0.5) + lm.random.normal(x.shape),
        dynamic_shapes={"x": {0: B}},
    )
    for n in (3, 8):
        x = lm.ones((n, 5))
        lm.random.seed(n)
        drawn = f(x)
        lm.random.seed(n)
        close(drawn, lm.functional.dropout(x, 0.5) + lm.random.normal(x.shape))


def test_several_symbols_and_sums_of_them() -> None:
    f = lm.jit(
        lambda x, w, pair: (x @ w).sum(axis=1) + pair["b"][1:],
        dynamic_shapes={"x": (B, T), "w": {0: T}, "pair": {"b": (B + 1,)}},
    )
    for b, t in ((2, 3), (5, 4)):
        x, w, extra = lm.ones((b, t)), lm.ones((t, 2)), lm.ones((b + 1,))
        close(f(x, w=w, pair={"a": 1.0, "b": extra}), lm.full((b,), 2.0 * t + 1))
    assert len(f.traces) == 1
    with pytest.raises(lm.ShapeError, match=r"T is 3 here and 4 there") as caught:
        f(lm.ones((2, 3)), w=lm.ones((4, 2)), pair={"a": 1.0, "b": lm.ones(3)})
    assert "T = 3 from x: f32[2,3], axis 1" in caught.value.facts
    with pytest.raises(lm.ShapeError, match=r"B\+1 is 3 here and 9 there"):
        f(lm.ones((2, 3)), w=lm.ones((3, 2)), pair={"a": 1.0, "b": lm.ones(9)})


def test_another_dtype_or_structure_is_another_trace() -> None:
    f = lm.jit(lambda x: x + x, dynamic_shapes={"x": {0: B}})
    for n in (2, 3):
        for dtype in (lm.float32, lm.int64):
            assert f(lm.ones((n, 2), dtype=dtype)).dtype is dtype
        f(lm.ones((n, 4)))
    assert (len(f.traces), f.signatures) == (3, 6)


def test_what_the_function_assigns_is_written_back() -> None:
    state = {"sum": lm.zeros(3)}

    @lm.jit(dynamic_shapes={"x": {0: B}})
    def add(state: Any, x: Any) -> Any:
        state["sum"] = state["sum"] + x.sum(axis=0)
        return x

    for n in (2, 5):
        given = lm.ones((n, 3))
        assert add(state, given) is given
    assert state["sum"].tolist() == [7.0] * 3


# ------------------------------------------------------------------ errors


def failing(f: Callable[..., Any], *shapes: tuple[Any, ...]) -> lm.LaminaError:
    """The error of tracing `f` for symbolic shapes."""
    with pytest.raises(lm.LaminaError) as caught:
        lm.eval_shape(f, *(lm.spec(s) for s in shapes))
    return caught.value


def test_a_clash_names_the_symbols_and_the_line() -> None:
    error = failing(lambda x, y: x + y, (B, 3), (T, 3))
    assert isinstance(error, lm.ShapeError)
    assert error.facts == ("operand 0: (B, 3)", "operand 1: (T, 3)")
    assert "lambda x, y: x + y" in str(error)


def test_a_branch_on_a_size_says_what_to_do() -> None:
    def f(x: Any) -> Any:
        return x.sum() if x.shape[0] > 16 else x.mean()

    error = failing(f, (B, 3))
    assert isinstance(error, lm.TraceError)
    assert error.summary == "B > 16: depends on the sizes, which are not known yet"
    assert "lm.Dim('B', min=17)" in error.help
    assert "if x.shape[0] > 16" in str(error)
    assert lm.eval_shape(f, lm.spec((lm.Dim("B", min=17), 3))).shape == ()


@pytest.mark.parametrize(
    ("f", "summary"),
    [
        (lambda x: [row.sum() for row in x], "B: the size is a symbol, and no Python integer yet"),
        (lambda x: x if x.shape[0] == 1 else -x, "B == 1: depends on the sizes"),
        (lambda x: x[:5], "B >= 5: depends on the sizes"),
        (lambda x: float(lm.zeros(x.shape).sum()), "float(): the tensor has a symbolic size"),
        (lambda x: float(x.sum()), "float(): the tensor has no value yet inside"),
        (lambda x: lm.linalg.qr(x), "B > 3: depends on the sizes"),
    ],
)
def test_what_needs_the_size_is_an_error(f: Callable[..., Any], summary: str) -> None:
    g = lm.jit(f, dynamic_shapes={"x": {0: B}})
    with pytest.raises(lm.TraceError) as caught:
        g(lm.ones((4, 3)))
    assert caught.value.summary.startswith(summary)


def test_descriptions_are_checked() -> None:
    f: Callable[..., Any] = lambda x: x + 1.0
    with pytest.raises(lm.UsageError, match="names no argument 'y'"):
        lm.jit(f, dynamic_shapes={"y": {0: B}})
    for shapes, said in (
        ({"x": {2: B}}, "names no axis 2"),
        ({"x": (B,)}, "does not describe its shape"),
        ({"x": {0: "B"}}, "'B' is no size"),
    ):
        with pytest.raises(lm.UsageError, match=said):
            lm.jit(f, dynamic_shapes=shapes)(lm.ones((2, 3)))
    with pytest.raises(lm.UsageError, match="which is no tensor"):
        lm.jit(f, dynamic_shapes={"x": {0: B}})(1.0)
    with pytest.raises(lm.ShapeError, match="B is at least 1"):
        lm.jit(f, dynamic_shapes={"x": {0: B}})(lm.ones((0, 3)))
    with pytest.raises(lm.ShapeError, match="B, T cannot be told from the arguments"):
        lm.jit(f, dynamic_shapes={"x": {0: B * T}})(lm.ones((4, 3)))


def test_sizes_that_the_program_cannot_take_are_told_with_the_symbols() -> None:
    f = lm.jit(lambda x: x.reshape((2, x.size // 2)), dynamic_shapes={"x": {0: B}})
    with pytest.raises(lm.ShapeError, match=r"3\*B elements do not fill"):
        f(lm.ones((4, 3)))
    g = lm.jit(lambda x: lm.zeros((x.shape[0] - 2,)), dynamic_shapes={"x": {0: B}})
    assert g(lm.ones((5, 3))).shape == (3,)
    with pytest.raises(lm.ShapeError) as caught:
        g(lm.ones((1, 3)))
    assert "given: B = 1" in caught.value.facts


def test_types_of_symbolic_sizes() -> None:
    found = lm.eval_shape(lambda x, w: (x @ w, x.mean()), lm.spec((B, T)), lm.spec((T, 4)))
    assert [str(t) for t in found] == ["f32[B,4]", "f32[]"]
    assert str(lm.eval_shape(lambda x: lm.concat([x, x]), lm.spec(B, lm.int64))) == "i64[2*B]"

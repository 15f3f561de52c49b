"""A traceback shows the user's frames; Lamina's own only when asked for."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

import lamina as lm
from lamina.base.errors import VerifyError

SOURCES = str(Path(lm.__file__).parent)


def broken(x: lm.Tensor) -> lm.Tensor:
    return x.reshape((7,)).sum()


def frames(f: Callable[[], object], kind: type[Exception] = lm.ShapeError) -> list[str]:
    """The functions in the traceback, Lamina's own in brackets."""
    with pytest.raises(kind) as error:
        f()
    found = traceback.extract_tb(error.value.__traceback__)[1:]  # without this function
    return [f"({s.name})" if s.filename.startswith(SOURCES) else s.name for s in found]


@pytest.mark.parametrize(
    "transform",
    [
        lm.jit,
        lm.grad,
        lm.vmap,
        lambda f: lm.jit(lm.value_and_grad(f)),
        lambda f: lm.vmap(lm.jit(lm.grad(f))),
        lambda f: lambda x: lm.vjp(f, x),
        lambda f: lambda x: lm.jvp(f, [x], [x]),
    ],
)
def test_transforms_hide_their_frames(transform: Callable[..., Callable[..., object]]) -> None:
    transformed = transform(broken)
    names = frames(lambda: transformed(lm.ones((5, 2, 3))))
    assert [n for n in names if n != "<lambda>"] == ["broken"]


def test_full_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_TRACEBACK", "full")
    names = frames(lambda: lm.jit(broken)(lm.ones((2, 3))))
    assert len([n for n in names if n.startswith("(")]) > 5


def test_running_hides_its_frames() -> None:
    wrong = lm.ones((3,))[lm.asarray([7])]
    f = lm.jit(lambda x, i: x[i])
    names = frames(lambda: f(lm.ones((3,)), lm.asarray([7])), lm.BoundsError)
    assert names == ["<lambda>"]
    names = frames(wrong.numpy, lm.BoundsError)
    assert names == ["(numpy)", "(_look)"]


def test_defects_and_other_errors_keep_theirs() -> None:
    @lm.jit
    def other(x: lm.Tensor) -> lm.Tensor:
        raise KeyError("mine")

    @lm.jit
    def defect(x: lm.Tensor) -> lm.Tensor:
        raise VerifyError("a pass went wrong")

    assert "(_trace)" in frames(lambda: other(lm.ones(())), KeyError)
    assert "(_trace)" in frames(lambda: defect(lm.ones(())), VerifyError)


def test_an_error_travels_to_another_process() -> None:
    """Pickled and back it is the same, its line included."""
    with pytest.raises(lm.ShapeError) as error:
        broken(lm.ones((2, 3)))
    copied = pickle.loads(pickle.dumps(error.value))
    assert type(copied) is lm.ShapeError
    assert str(copied) == str(error.value)
    assert vars(copied) == vars(error.value)

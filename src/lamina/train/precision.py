"""Mixed precision: products in 16 bits, parameters and updates in 32.

The parameters stay in float32. While the loss is computed the model holds rounded copies of them,
made inside the same program, so that the gradients that come back are those of the float32 ones.
Normalisations compute in float32, and so does everything behind the model's result.

Source: Micikevicius et al., "Mixed Precision Training", ICLR 2018.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

import lamina.tensor as lm
from lamina import nn
from lamina.base import trees
from lamina.base.errors import UsageError
from lamina.nn.running_statistics import RunningStatistics
from lamina.runtime import register_node
from lamina.tensor import Tensor
from lamina.tensor.containers import contents, entries

_WIDE = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.LocalResponseNorm, RunningStatistics)


def dtype_of(precision: str) -> Any:
    """The dtype in which products are computed: of "f32", "bf16" or "f16".

    Raises:
        UsageError: there is no such precision.
    """
    known = {"f32": lm.float32, "bf16": lm.bfloat16, "f16": lm.float16}
    if precision not in known:
        raise UsageError(
            "precision: not one of those there are",
            [f"given: {precision!r}", f"there are: {', '.join(known)}"],
        )
    return known[precision]


@contextmanager
def lowered(model: nn.Module, dtype: Any) -> Iterator[None]:
    """In the block `model` computes in `dtype`; it takes and gives float32 as before.

    For use inside `jit` and `grad`: casts are then part of the program.

    Args:
        model: with parameters in float32; others stay as they are.
        dtype: `float16` or `bfloat16`.

    Example:
        >>> import lamina as lm
        >>> model = lm.nn.Linear(2, 1)
        >>> def loss_of(model, x):
        ...     with lm.train.lowered(model, lm.bfloat16):
        ...         return model(x).sum()
        >>> lm.grad(loss_of)(model, lm.ones((1, 2))).weight
        Tensor([[1., 1.]], shape=(1, 2), dtype=float32)
    """
    wide = {id(m): m for m in model.modules() if isinstance(m, _WIDE)}
    kept = {id(p) for module in wide.values() for p in module.parameters()}
    masters = {
        name: p
        for name, p in model.named_parameters()
        if p.dtype is lm.float32 and id(p) not in kept
    }
    buffers = dict(model.named_buffers())
    model.set_parameters({name: lm.astype(p, dtype) for name, p in masters.items()})
    with ExitStack() as stack:
        for module in wide.values():
            _between(stack, module, lm.float32, dtype)
        _between(stack, model, dtype, lm.float32)
        try:
            yield
        finally:
            model.set_parameters(masters)
            _keep_buffers(model, buffers)


def _between(stack: ExitStack, module: nn.Module, inside: Any, outside: Any) -> None:
    """What goes into the module is cast to `inside`, what comes out to `outside`."""

    def before(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return _cast(args, inside), _cast(kwargs, inside)

    def after(_: Any, args: tuple[Any, ...], result: Any) -> Any:
        return _cast(result, outside)

    stack.enter_context(module.register_forward_pre_hook(before, with_kwargs=True))
    stack.enter_context(module.register_forward_hook(after))


def _cast(tree: Any, dtype: Any) -> Any:
    """Floating tensors of 32 or 16 bits in another dtype; everything else as it is."""

    def one(leaf: Any) -> Any:
        leaf = lm.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf
        fits = isinstance(leaf, Tensor) and leaf.dtype.is_float and leaf.dtype.bits <= 32
        return lm.astype(leaf, dtype) if fits else leaf

    return trees.map(one, tree)


def _keep_buffers(model: nn.Module, before: Mapping[str, Tensor]) -> None:
    """Buffers keep their dtype, and their numbers where the new ones are not finite."""
    for name, new in model.named_buffers():
        old = before.get(name)
        if old is None or new is old or not old.dtype.is_float:
            continue
        path, _, attribute = name.rpartition(".")
        new = lm.astype(new, old.dtype)
        new = lm.where(lm.all(lm.isfinite(new)), new, old)
        setattr(model.get_submodule(path), attribute, new)


class LossScale:
    """The factor by which a float16 loss is multiplied, so that small gradients are not 0.

    It is halved when a gradient overflows, and that step is left out; it is doubled after
    `interval` steps without. A power of two changes no digit of a gradient.

    Args:
        initial: the first factor.
        interval: steps without overflow after which it is doubled.

    Attributes:
        value: the factor, a 0-d float32 tensor.
        good: steps since the last change, 0-d int32.

    Source: Micikevicius et al., "Mixed Precision Training", ICLR 2018, 3.2; PyTorch's GradScaler.
    """

    def __init__(self, initial: float = 65536.0, interval: int = 2000):
        if initial <= 0 or interval < 1:
            raise UsageError(
                "LossScale: a factor above 0 and an interval of at least 1 step",
                [f"initial: {initial}", f"interval: {interval}"],
            )
        self.interval = interval
        self.value = lm.asarray(np.array(initial, np.float32))
        self.good = lm.asarray(np.array(0, np.int32))

    def adjust(self, finite: Tensor) -> None:
        """Note whether the gradients of a step were finite."""
        good = lm.where(finite, self.good + 1, 0)
        grow = lm.equal(good, self.interval)
        larger = lm.where(grow, self.value * 2.0, self.value)
        self.value = lm.where(finite, larger, self.value * 0.5)
        self.good = lm.astype(lm.where(grow, 0, good), lm.int32)

    def state_dict(self) -> dict[str, Tensor]:
        """The factor and the count."""
        return {"value": self.value, "good": self.good}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.value = lm.asarray(state["value"], dtype=lm.float32, copy=True)
        self.good = lm.asarray(state["good"], dtype=lm.int32, copy=True)


register_node(LossScale)


def taken_if(condition: Tensor, objects: list[Any], before: dict[tuple[Any, ...], Tensor]) -> None:
    """In modules and optimisers, take the tensors of `before` back unless the condition holds.

    Args:
        condition: 0-d, boolean.
        objects: the same as were given to `tensors_of`.
        before: what `tensors_of` gave.
    """
    chosen: dict[tuple[int, int], Tensor] = {}  # what is shared stays shared
    for path, held, key in list(_places(objects, ())):
        new, old = held[key], before.get(path)
        if old is None or new is old:
            continue
        pair = id(new), id(old)
        if pair not in chosen:
            chosen[pair] = lm.where(condition, new, old)
        held[key] = chosen[pair]


def tensors_of(objects: list[Any]) -> dict[tuple[Any, ...], Tensor]:
    """The tensors in modules and optimisers by path, for `taken_if`."""
    return {path: held[key] for path, held, key in _places(objects, ())}


def _places(tree: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any, Any]]:
    held: Any = contents(tree)
    for key, child in entries(held) if held is not None else ():
        if isinstance(child, Tensor):
            yield (*path, key), held, key
        else:
            yield from _places(child, (*path, key))

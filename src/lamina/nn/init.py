"""First values of parameters, under the names of PyTorch's `nn.init` without the underscore.

Tensors are immutable, so each function returns the values instead of writing them:
`layer.weight = nn.init.xavier_uniform(layer.weight)`. What they are for is said by a tensor, whose
shape and dtype they take, or by a shape. They come from the default generator, or from a key.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import lamina.tensor as lm
from lamina.base.errors import ShapeError, UsageError
from lamina.tensor import Tensor, linalg

Like = Tensor | Sequence[int] | int

_GAINS = {
    "linear": 1.0,
    "identity": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 0.75,
    **{f"conv{k}d": 1.0 for k in (1, 2, 3)},
    **{f"conv_transpose{k}d": 1.0 for k in (1, 2, 3)},
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """What a nonlinearity's inputs have to be scaled by to keep their variance.

    Args:
        nonlinearity: its name, such as "relu" or "tanh".
        param: the negative slope of "leaky_relu"; 0.01 when None.

    Raises:
        UsageError: there is no such name.

    Example:
        >>> round(calculate_gain("leaky_relu", 0.2), 4)
        1.3868

    Source: PyTorch, `nn.init.calculate_gain`; He et al. 2015 for rectifiers, Klambauer et al. 2017
    for "selu".
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        known = ", ".join([*_GAINS, "leaky_relu"])
        raise UsageError(f"calculate_gain: no gain of {nonlinearity!r}", [f"there are: {known}"])
    return _GAINS[nonlinearity]


def fan_in_and_fan_out(like: Like) -> tuple[int, int]:
    """How many inputs one output of a weight has, and how many outputs one input.

    Shapes: `like: [O, I, *kernel] -> (I * kernel, O * kernel)`

    Raises:
        ShapeError: there are fewer than two axes.
    """
    shape, _ = _about(like, None)
    if len(shape) < 2:
        raise ShapeError("fan_in_and_fan_out: a weight has two axes or more", [f"shape: {shape}"])
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def constant(like: Like, val: float, *, dtype: Any = None) -> Tensor:
    """The same value everywhere.

    Args:
        like: a tensor, or a shape.
        val: the value.
        dtype: of the values; that of `like`, or float32, when None.

    Example:
        >>> constant((2,), 0.5)
        Tensor([0.5, 0.5], shape=(2,), dtype=float32)
    """
    shape, dtype = _about(like, dtype)
    return lm.full(shape, val, dtype=dtype)


def zeros(like: Like, *, dtype: Any = None) -> Tensor:
    """Zeros; `like` and `dtype` as in `constant`."""
    return constant(like, 0.0, dtype=dtype)


def ones(like: Like, *, dtype: Any = None) -> Tensor:
    """Ones; `like` and `dtype` as in `constant`."""
    return constant(like, 1.0, dtype=dtype)


def eye(like: Like, *, dtype: Any = None) -> Tensor:
    """The identity: as many inputs as possible are passed on.

    Raises:
        ShapeError: there are not two axes.

    Example:
        >>> eye((2, 3))
        Tensor([[1., 0., 0.],
                [0., 1., 0.]], shape=(2, 3), dtype=float32)
    """
    shape, dtype = _about(like, dtype)
    if len(shape) != 2:
        raise ShapeError("eye: a matrix has two axes", [f"shape: {shape}"])
    return lm.eye(*shape, dtype=dtype)


def dirac(like: Like, groups: int = 1, *, dtype: Any = None) -> Tensor:
    """The identity of a convolution: as many channels as possible are passed on, in each group.

    Raises:
        ShapeError: there are not three to five axes, or the groups do not divide the channels.

    Example:
        >>> dirac((1, 1, 3))
        Tensor([[[0., 1., 0.]]], shape=(1, 1, 3), dtype=float32)

    Source: PyTorch, `nn.init.dirac_`.
    """
    shape, dtype = _about(like, dtype)
    if len(shape) not in (3, 4, 5) or groups < 1 or shape[0] % groups:
        raise ShapeError(
            "dirac: not kernels whose number the groups divide",
            [f"shape: {shape}", f"groups: {groups}"],
        )
    values = np.zeros(shape)
    each = shape[0] // groups
    for group in range(groups):
        for i in range(min(each, shape[1])):
            values[(group * each + i, i, *[n // 2 for n in shape[2:]])] = 1.0
    return lm.astype(lm.asarray(values), dtype)


def uniform(
    like: Like, a: float = 0.0, b: float = 1.0, *, key: Tensor | None = None, dtype: Any = None
) -> Tensor:
    """U(a, b).

    Args:
        like: a tensor, or a shape.
        a, b: least and greatest value.
        key: where the values come from; the default generator when None.
        dtype: of the values; that of `like`, or float32, when None.
    """
    shape, dtype = _about(like, dtype)
    return lm.random.uniform(shape, a, b, dtype=dtype, key=key)


def normal(
    like: Like,
    mean: float = 0.0,
    std: float = 1.0,
    *,
    key: Tensor | None = None,
    dtype: Any = None,
) -> Tensor:
    """N(mean, std²); other arguments as in `uniform`."""
    shape, dtype = _about(like, dtype)
    return lm.random.normal(shape, mean, std, dtype=dtype, key=key)


def trunc_normal(
    like: Like,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    *,
    key: Tensor | None = None,
    dtype: Any = None,
) -> Tensor:
    """N(mean, std²) under the condition of lying between a and b.

    Args:
        like, key, dtype: as in `uniform`.
        mean, std: before the condition.
        a, b: least and greatest value, not multiples of `std`.

    Example:
        >>> values = trunc_normal((1000,), std=0.02, a=-0.01, b=0.01)
        >>> bool(lm.max(lm.abs(values)) <= 0.01)
        True
    """
    shape, dtype = _about(like, dtype)
    return lm.random.truncated_normal(shape, a, b, mean, std, dtype=dtype, key=key)


def xavier_uniform(
    like: Like, gain: float = 1.0, *, key: Tensor | None = None, dtype: Any = None
) -> Tensor:
    """U(-r, r) with r = gain sqrt(6 / (fan_in + fan_out)).

    Args:
        like: a weight `[O, I, *kernel]`, or its shape.
        gain: see `calculate_gain`.
        key, dtype: as in `uniform`.

    Raises:
        ShapeError: there are fewer than two axes.

    Source: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward
    neural networks", equation 16.
    """
    reach = gain * math.sqrt(6.0 / max(sum(fan_in_and_fan_out(like)), 1))
    return uniform(like, -reach, reach, key=key, dtype=dtype)


def xavier_normal(
    like: Like, gain: float = 1.0, *, key: Tensor | None = None, dtype: Any = None
) -> Tensor:
    """N(0, std²) with std = gain sqrt(2 / (fan_in + fan_out)); see `xavier_uniform`."""
    std = gain * math.sqrt(2.0 / max(sum(fan_in_and_fan_out(like)), 1))
    return normal(like, 0.0, std, key=key, dtype=dtype)


def kaiming_uniform(
    like: Like,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    key: Tensor | None = None,
    dtype: Any = None,
) -> Tensor:
    """U(-r, r) with r = gain sqrt(3 / fan).

    Args:
        like: a weight `[O, I, *kernel]`, or its shape.
        a: the negative slope of "leaky_relu".
        mode: "fan_in" keeps the variance forward, "fan_out" backward.
        nonlinearity: what follows; see `calculate_gain`.
        key, dtype: as in `uniform`.

    Raises:
        ShapeError: there are fewer than two axes.
        UsageError: there is no such mode or nonlinearity.

    Source: He et al. 2015, "Delving deep into rectifiers", section 2.2.
    """
    reach = math.sqrt(3.0) * _kaiming_std(like, a, mode, nonlinearity)
    return uniform(like, -reach, reach, key=key, dtype=dtype)


def kaiming_normal(
    like: Like,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    key: Tensor | None = None,
    dtype: Any = None,
) -> Tensor:
    """N(0, std²) with std = gain / sqrt(fan); see `kaiming_uniform`."""
    std = _kaiming_std(like, a, mode, nonlinearity)
    return normal(like, 0.0, std, key=key, dtype=dtype)


def _kaiming_std(like: Like, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise UsageError(f"kaiming: no mode {mode!r}", ["there are: fan_in, fan_out"])
    fan = fan_in_and_fan_out(like)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def orthogonal(
    like: Like, gain: float = 1.0, *, key: Tensor | None = None, dtype: Any = None
) -> Tensor:
    """gain times a matrix with orthonormal rows, or columns if these are fewer.

    Args:
        like: a weight, or its shape; axes behind the first count as one.
        gain: see `calculate_gain`.
        key, dtype: as in `uniform`.

    Raises:
        ShapeError: there are fewer than two axes.

    Source: Saxe, McClelland and Ganguli 2014, "Exact solutions to the nonlinear dynamics of
    learning"; Mezzadri 2007 for the distribution.
    """
    shape, dtype = _about(like, dtype)
    if len(shape) < 2:
        raise ShapeError("orthogonal: a weight has two axes or more", [f"shape: {shape}"])
    rows, columns = shape[0], math.prod(shape[1:])
    long, short = max(rows, columns), min(rows, columns)
    wide = lm.float64 if dtype == lm.float64 else lm.float32
    noise = lm.random.normal((long, short), dtype=wide, key=key)
    q, r = linalg.qr(noise)
    signs = lm.where(linalg.diagonal(r) < 0.0, -gain, gain)
    turned: Any = lm.multiply(q, signs)
    flat = turned if rows >= columns else lm.matrix_transpose(turned)
    return lm.astype(lm.reshape(flat, shape), dtype)


def sparse(
    like: Like,
    sparsity: float,
    std: float = 0.01,
    *,
    key: Tensor | None = None,
    dtype: Any = None,
) -> Tensor:
    """N(0, std²), with a share of zeros in each column.

    Args:
        like: a matrix, or its shape.
        sparsity: the share, which is rounded up to whole elements.
        std: of the others.
        key, dtype: as in `uniform`.

    Raises:
        ShapeError: there are not two axes.

    Example:
        >>> int(lm.sum(sparse((10, 3), 0.25) == 0.0))
        9

    Source: Martens 2010, "Deep learning via Hessian-free optimization", section 5.
    """
    shape, dtype = _about(like, dtype)
    if len(shape) != 2:
        raise ShapeError("sparse: a matrix has two axes", [f"shape: {shape}"])
    one, other = (None, None) if key is None else lm.unstack(lm.random.split(key, 2))
    rows = lm.broadcast_to(lm.reshape(lm.arange(shape[0]), (-1, 1)), shape)
    order = lm.random.permutation(rows, independent=True, key=one)
    values = lm.random.normal(shape, 0.0, std, dtype=dtype, key=other)
    return lm.where(order < math.ceil(sparsity * shape[0]), lm.zeros((), dtype=dtype), values)


def _about(like: Like, dtype: Any) -> tuple[tuple[int, ...], Any]:
    """The shape and dtype that are meant."""
    if isinstance(like, Tensor):
        return like.shape, like.dtype if dtype is None else dtype
    shape = (like,) if isinstance(like, int) else tuple(int(n) for n in like)
    return shape, lm.float32 if dtype is None else dtype


def __getattr__(name: str) -> Any:
    if name.endswith("_") and name[:-1] in globals() and not name.startswith("_"):
        raise UsageError(
            f"nn.init: there is no {name}, because tensors are immutable",
            [f"there is: {name[:-1]}, which returns the values"],
            f"layer.weight = nn.init.{name[:-1]}(layer.weight)",
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

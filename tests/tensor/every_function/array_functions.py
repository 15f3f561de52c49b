"""Cases of the array namespace."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina as lm
from tests.tensor.every_function.table import Case, Operand, one, two, wave

PICK = np.array([2, 0, 2])
MASK = np.array([[True, False, True], [False, True, True]])


def gaps(x: Any) -> Any:
    """A tensor with NaN at some places."""
    return lm.where(lm.asarray(MASK), x, lm.nan)


UNARY = [
    one("abs", lm.abs),
    one("acos", lm.acos, -0.9, 0.9),
    one("acosh", lm.acosh, 1.2, 3.0),
    one("asin", lm.asin, -0.9, 0.9),
    one("asinh", lm.asinh),
    one("atan", lm.atan),
    one("atanh", lm.atanh, -0.8, 0.8),
    one("cbrt", lm.cbrt, 0.3, 2.0),
    one("ceil", lm.ceil, 0.1, 0.9),
    one("conj", lm.conj),
    one("cos", lm.cos),
    one("cosh", lm.cosh),
    one("deg2rad", lm.deg2rad),
    one("erf", lm.erf),
    one("exp", lm.exp),
    one("exp2", lm.exp2),
    one("expm1", lm.expm1),
    one("floor", lm.floor, 0.1, 0.9),
    one("log", lm.log, 0.3, 2.0),
    one("log10", lm.log10, 0.3, 2.0),
    one("log1p", lm.log1p, -0.7, 2.0),
    one("log2", lm.log2, 0.3, 2.0),
    one("nan_to_num", lambda x: lm.nan_to_num(gaps(x), nan=2.0)),
    one("negative", lm.negative),
    one("positive", lm.positive),
    one("rad2deg", lm.rad2deg),
    one("real", lm.real),
    one("reciprocal", lm.reciprocal, 0.4, 2.0),
    one("round", lm.round, 0.55, 0.95),
    one("rsqrt", lm.rsqrt, 0.4, 2.0),
    one("sign", lm.sign),
    one("sin", lm.sin),
    one("sinc", lm.sinc, 0.2, 2.0),
    one("sinh", lm.sinh),
    one("sqrt", lm.sqrt, 0.3, 2.0),
    one("square", lm.square),
    one("tan", lm.tan, -1.0, 1.0),
    one("tanh", lm.tanh),
    one("trunc", lm.trunc, 0.1, 0.9),
]

BINARY = [
    two("add", lm.add),
    two("atan2", lm.atan2),
    two("copysign", lm.copysign),
    two("divide", lm.divide, 0.4, 2.0),
    two("divmod", lm.divmod, 0.4, 2.0),
    two("float_power", lm.float_power, 0.4, 2.0),
    two("floor_divide", lm.floor_divide, 0.4, 2.0),
    two("fmax", lm.fmax),
    two("fmin", lm.fmin),
    two("fmod", lm.fmod, 0.4, 2.0),
    two("heaviside", lm.heaviside),
    two("hypot", lm.hypot),
    two("logaddexp", lm.logaddexp),
    two("maximum", lm.maximum),
    two("minimum", lm.minimum),
    two("multiply", lm.multiply),
    two("pow", lm.pow, 0.4, 2.0),
    one("pow", lambda x: (x**2, x**-1, x**0.5), 0.4, 2.0),
    two("remainder", lm.remainder, 0.4, 2.0),
    two("subtract", lm.subtract),
    two("where", lambda x, y: lm.where(x > y, x, 2.0 * y)),
    two("clip", lambda x, y: lm.clip(x, y, y + 1.0)),
    one("clip", lambda x: lm.clip(x, -0.5, 0.5)),
    two("make_complex", lm.make_complex),
    one("angle", lambda x: lm.angle(lm.make_complex(x, x * x))),
]

COMPLEX = [
    wave("abs", lm.abs),
    wave("angle", lm.angle),
    wave("real", lm.real),
    wave("imag", lm.imag),
    wave("conj", lm.conj),
    wave("exp", lm.exp),
    wave("expm1", lm.expm1),
    wave("log", lm.log),
    wave("log1p", lm.log1p),
    wave("log2", lm.log2),
    wave("log10", lm.log10),
    wave("sqrt", lm.sqrt),
    wave("square", lm.square),
    wave("reciprocal", lm.reciprocal),
    wave("sign", lm.sign),
    wave("sin", lm.sin),
    wave("cos", lm.cos),
    wave("tan", lm.tan),
    wave("sinh", lm.sinh),
    wave("cosh", lm.cosh),
    wave("tanh", lm.tanh),
    wave("asin", lm.asin),
    wave("acos", lm.acos),
    wave("atan", lm.atan, low=0.2, high=0.7),
    wave("asinh", lm.asinh),
    wave("acosh", lm.acosh),
    wave("atanh", lm.atanh, low=0.2, high=0.7),
    wave("negative", lm.negative),
    wave("add", lm.add, (2, 2), (2,)),
    wave("multiply", lm.multiply, (2, 2), (2,)),
    wave("subtract", lm.subtract, (2, 2), (2,)),
    wave("divide", lm.divide, (2, 2), (2,)),
    wave("pow", lm.pow, (2, 2), (2,)),
    wave("pow", lambda z: (z**3, z**-2)),
    wave("sum", lambda z: lm.sum(z, axis=0)),
    wave("mean", lm.mean),
    wave("prod", lm.prod),
    wave("cumulative_prod", lambda z: lm.cumulative_prod(z, axis=1)),
    wave("var", lm.var),
    wave("cumulative_sum", lambda z: lm.cumulative_sum(z, axis=1)),
    wave("std", lm.std),
    wave("matmul", lm.matmul, (2, 3), (3, 2)),
    wave("vecdot", lm.vecdot, (3,), (3,)),
    wave("einsum", lambda a, b: lm.einsum("ij,jk->ki", a, b), (2, 3), (3, 2)),
    wave("tensordot", lambda a, b: lm.tensordot(a, b, axes=1), (2, 2), (2,)),
    wave("where", lambda z: lm.where(lm.asarray([True, False]), z, 2j * z)),
    wave("concat", lambda z: lm.concat([z, z * z])),
    wave("Tensor[...]", lambda z: z[PICK % 2]),
    wave("Tensor.at.add", lambda z, u: z.at[PICK].add(u), (3,), (3,)),
    wave("Tensor.at.multiply", lambda z, u: z.at[PICK].multiply(u), (3,), (3,)),
    wave("cov", lm.cov, (2, 3)),
    wave("convolve", lm.convolve, (3,), (2,)),
    wave("scan", lambda z: lm.scan(lambda c, x: (c * x + 1j, c), z[0], z)),
    wave("trapezoid", lm.trapezoid),
]

REDUCTIONS = [
    one("average", lambda x: lm.average(x, axis=0)),
    two("average", lambda x, w: lm.average(x, axis=1, weights=w), 0.3, 2.0),
    one("cummax", lambda x: lm.cummax(x, axis=1)),
    one("cummin", lambda x: lm.cummin(x, axis=1)),
    one("cumprod", lambda x: lm.cumprod(x, axis=1)),
    one("cumsum", lambda x: lm.cumsum(x, axis=1)),
    one("cumulative_prod", lambda x: lm.cumulative_prod(x, axis=0, include_initial=True)),
    one("cumulative_sum", lambda x: lm.cumulative_sum(x, axis=0, include_initial=True)),
    one("logcumsumexp", lambda x: lm.logcumsumexp(x, axis=1)),
    one("logsumexp", lambda x: lm.logsumexp(x, axis=1)),
    one("max", lambda x: lm.max(x, axis=1)),
    one("min", lambda x: lm.min(x, axis=0)),
    one("mean", lambda x: lm.mean(x, axis=1)),
    one("median", lambda x: lm.median(x, axis=1)),
    one("prod", lambda x: lm.prod(x, axis=1)),
    one("ptp", lambda x: lm.ptp(x, axis=1)),
    one("percentile", lambda x: lm.percentile(x, 30.0, axis=1)),
    one("quantile", lambda x: lm.quantile(x, lm.asarray([0.2, 0.7]), axis=1)),
    one("std", lambda x: lm.std(x, axis=1)),
    one("var", lambda x: lm.var(x, axis=1, correction=1)),
    one("sum", lambda x: (lm.sum(x), lm.sum(x, axis=1, keepdims=True))),
    one("nanmax", lambda x: lm.nanmax(gaps(x), axis=1)),
    one("nanmin", lambda x: lm.nanmin(gaps(x), axis=1)),
    one("nanmean", lambda x: lm.nanmean(gaps(x), axis=1)),
    one("nanmedian", lambda x: lm.nanmedian(gaps(x), axis=1)),
    one("nanpercentile", lambda x: lm.nanpercentile(gaps(x), 30.0, axis=1)),
    one("nanquantile", lambda x: lm.nanquantile(gaps(x), 0.3, axis=1)),
    one("nanprod", lambda x: lm.nanprod(gaps(x), axis=1)),
    one("nanstd", lambda x: lm.nanstd(gaps(x), axis=1)),
    one("nansum", lambda x: lm.nansum(gaps(x), axis=1)),
    one("nanvar", lambda x: lm.nanvar(gaps(x), axis=1)),
    one("cov", lm.cov, shape=(2, 4)),
    one("corrcoef", lm.corrcoef, shape=(2, 4)),
]

SHAPES = [
    one("apply_along_axis", lambda x: lm.apply_along_axis(lambda v: v[::-1] * v, 1, x)),
    one("array_split", lambda x: lm.array_split(x, 2, axis=1)),
    one("asarray", lambda x: lm.asarray(x)),
    one("astype", lambda x: lm.astype(x, "complex128")),
    one("atleast_1d", lm.atleast_1d, shape=()),
    one("atleast_2d", lm.atleast_2d, shape=(3,)),
    one("atleast_3d", lm.atleast_3d),
    two("broadcast_arrays", lm.broadcast_arrays),
    one("broadcast_to", lambda x: lm.broadcast_to(x, (2, 2, 3))),
    two("column_stack", lambda x, y: lm.column_stack([x, y]), shapes=((3,), (3,))),
    two("concat", lambda x, y: lm.concat([x, y], axis=0), shapes=((2, 3), (1, 3))),
    one("diag", lambda x: (lm.diag(x), lm.diag(x, 1))),
    one("diag", lambda x: lm.diag(x, -1), shape=(2,)),
    one("diagonal", lambda x: lm.diagonal(x, 1)),
    one("diff", lambda x: lm.diff(x, n=2)),
    two("dstack", lambda x, y: lm.dstack([x, y]), shapes=((3,), (3,))),
    two("dynamic_slice", lambda x, _: lm.dynamic_slice(x, (0, 1), (2, 2))),
    two(
        "dynamic_update_slice",
        lambda x, y: lm.dynamic_update_slice(x, y, (1, 1)),
        shapes=((2, 3), (1, 2)),
    ),
    one("ediff1d", lm.ediff1d),
    one("expand_dims", lambda x: lm.expand_dims(x, axis=1)),
    two("fill_diagonal", lambda x, y: lm.fill_diagonal(x, y), shapes=((2, 3), ())),
    one("flatten", lm.flatten),
    one("flip", lambda x: lm.flip(x, axis=1)),
    two("full", lambda x, _: lm.full((2, 2), x), shapes=((), ())),
    two("full_like", lambda x, y: lm.full_like(y, x), shapes=((), (2,))),
    two("hstack", lambda x, y: lm.hstack([x, y]), shapes=((3,), (2,))),
    one("matrix_transpose", lm.matrix_transpose),
    two("meshgrid", lm.meshgrid, shapes=((2,), (3,))),
    one("moveaxis", lambda x: lm.moveaxis(x, 0, 1)),
    one("pad", lambda x: lm.pad(x, ((1, 0), (0, 2)))),
    one("pad", lambda x: (lm.pad(x, 1, "reflect"), lm.pad(x, 1, "edge"), lm.pad(x, 1, "wrap"))),
    one("permute_dims", lambda x: lm.permute_dims(x, (1, 0))),
    one("repeat", lambda x: lm.repeat(x, 2, axis=1)),
    one("reshape", lambda x: lm.reshape(x, (3, 2))),
    one("roll", lambda x: lm.roll(x, 1, axis=1)),
    one("rot90", lm.rot90),
    one("split", lambda x: lm.split(x, [1], axis=1)),
    one("squeeze", lm.squeeze, shape=(2, 1, 3)),
    two("stack", lambda x, y: lm.stack([x, y], axis=1), shapes=((3,), (3,))),
    one("swapaxes", lambda x: lm.swapaxes(x, 0, 1)),
    one("tile", lambda x: lm.tile(x, (2, 1))),
    one("transpose", lm.transpose),
    one("tril", lm.tril),
    one("triu", lambda x: lm.triu(x, k=1)),
    one("unstack", lm.unstack),
    two("vstack", lambda x, y: lm.vstack([x, y])),
    one("vander", lm.vander, shape=(3,)),
]

PICKING = [
    two("choose", lambda x, y: lm.choose(np.array([0, 1, 0]), [x, y])),
    one("compress", lambda x: lm.compress(np.array([True, False, True]), x, axis=1, size=2)),
    one("extract", lambda x: lm.extract(MASK, x, size=4)),
    one("partition", lambda x: lm.partition(x, 1)),
    two("put", lambda x, y: lm.put(x, PICK, y)),
    two("put_along_axis", lambda x, y: lm.put_along_axis(x, PICK[None], y, axis=1)),
    two("select", lambda x, y: lm.select([x > y, x < 0.0], [x, y], 1.0)),
    one("sort", lambda x: (lm.sort(x), lm.sort(x, axis=0, descending=True))),
    one("take", lambda x: lm.take(x, PICK, axis=1)),
    one("take_along_axis", lambda x: lm.take_along_axis(x, PICK[None], axis=1)),
    one("top_k", lambda x: lm.top_k(x, 2)),
    one("unique", lambda x: lm.unique(x, size=6)),
    one("unique_values", lambda x: lm.unique_values(x, size=6)),
    one("unique_all", lambda x: lm.unique_all(x, size=6).values),
    one("unique_counts", lambda x: lm.unique_counts(x, size=6).values),
    one("unique_inverse", lambda x: lm.unique_inverse(x, size=6).values),
    two("union1d", lambda x, y: lm.union1d(x, y, size=5), shapes=((3,), (2,))),
    one("intersect1d", lambda x: lm.intersect1d(x, x[:2], size=2), shape=(3,)),
    one("setdiff1d", lambda x: lm.setdiff1d(x, x[:1], size=2), shape=(3,)),
    one("setxor1d", lambda x: lm.setxor1d(x, x[:1], size=2), shape=(3,)),
    one("Tensor[...]", lambda x: (x[PICK % 2], x[:, 1:], x[..., None, ::-1], x[1, PICK])),
    two("Tensor.at.set", lambda x, y: x.at[:, PICK].set(y)),
    two("Tensor.at.add", lambda x, y: x.at[:, PICK].add(y)),
    two("Tensor.at.subtract", lambda x, y: x.at[:, PICK].subtract(y)),
    two("Tensor.at.multiply", lambda x, y: x.at[:, PICK].multiply(y)),
    two("Tensor.at.multiply", lambda x, y: x.at[:, PICK].multiply(y * lm.asarray([1.0, 1.0, 0.0]))),
    two("Tensor.at.multiply", lambda x, y: x.at[:, PICK].multiply(y * lm.asarray([0.0, 1.0, 0.0]))),
    two("Tensor.at.multiply", lambda x, y: (x * 0.0).at[:, :2].multiply(y[:2])),
    two("Tensor.at.divide", lambda x, y: x.at[:, PICK].divide(y), 0.4, 2.0),
    two("Tensor.at.power", lambda x, y: x.at[:, PICK].power(y), 0.4, 2.0),
    two("Tensor.at.min", lambda x, y: x.at[:, PICK].min(y)),
    two("Tensor.at.max", lambda x, y: x.at[:, PICK].max(y)),
    one("Tensor.at.apply", lambda x: x.at[:, PICK].apply(lm.sin)),
    one("Tensor.at.get", lambda x: x.at[:, PICK].get()),
]

PRODUCTS = [
    two("convolve", lm.convolve, shapes=((4,), (2,))),
    two("correlate", lambda x, y: lm.correlate(x, y, "same"), shapes=((4,), (2,))),
    two("einsum", lambda x, y: lm.einsum("ij,jk->ki", x, y), shapes=((2, 3), (3, 2))),
    one("einsum", lambda x: (lm.einsum("ii->i", x), lm.einsum("ii", x)), shape=(3, 3)),
    two("einsum", lambda x, y: lm.einsum("iij,jkk->ik", x, y), shapes=((2, 2, 3), (3, 2, 2))),
    Case(
        "interp",
        lambda x, fp: lm.interp(x, np.array([0.0, 1.0, 2.0]), fp),
        (Operand((2,), 0.2, 0.9), Operand((3,))),
    ),
    two("matmul", lm.matmul, shapes=((2, 3), (3, 2))),
    two("matmul", lm.matmul, shapes=((3,), (2, 3, 2))),
    two("outer", lm.outer, shapes=((2,), (3,))),
    two("tensordot", lambda x, y: lm.tensordot(x, y, axes=((1,), (0,))), shapes=((2, 3), (3, 2))),
    two("trapezoid", lm.trapezoid, shapes=((2, 3), (3,))),
    two("vecdot", lm.vecdot),
    one("bincount", lambda w: lm.bincount(PICK, w, length=3), shape=(3,)),
    one(
        "histogram",
        lambda w: lm.histogram(np.array([0.1, 0.5, 0.7]), 2, (0.0, 1.0), weights=w)[0],
        shape=(3,),
    ),
    one("histogram_bin_edges", lambda x: lm.histogram_bin_edges(x, 3), shape=(4,)),
]


def _cubed(x: Any) -> Any:
    return lm.sum(lm.sin(x) * x * x)


@lm.custom_jvp
def _doubled(x: Any) -> Any:
    return 2.0 * lm.sin(x)


_doubled.defjvp(lambda p, t: (_doubled(*p), 2.0 * lm.cos(p[0]) * t[0]))


@lm.custom_op
def _sums(x: Any) -> Any:
    return x


_sums.defreference(lambda x: np.cumsum(x, axis=-1))
_sums.defjvp(lambda p, t: (_sums(*p), lm.cumulative_sum(t[0], axis=-1)))

_waves = lm.Dialect("waves")


@_waves.op
def _beat(x: Any, *, of: float) -> Any:
    return x


_beat.deflower(lambda x, of: lm.sin(of * x) * lm.mean(x, axis=-1, keepdims=True))
_waves.rule(lambda x, a: _beat(-x, of=a))(lambda x, a: _beat(x, of=a))


@lm.recursive
def _recursive(x: Any, n: Any) -> Any:
    return lm.cond(n <= 0, lambda: x, lambda: lm.sin(_recursive(lm.cos(x), n - 1)) * x)


CONTROL = [
    one("associative_scan", lambda x: lm.associative_scan(lambda a, b: a * b + a, x, axis=1)),
    one("checkpoint", lm.checkpoint(lambda x: lm.sin(lm.exp(x)))),
    one(
        "checkpoint_name",
        lm.checkpoint(lambda x: lm.sin(lm.checkpoint_name(lm.exp(x), "e")), keep=["e"]),
    ),
    one("cond", lambda x: lm.cond(x[0, 0] > 0.0, lm.sin, lambda v: v * v, x)),
    one("switch", lambda x: lm.switch(lm.astype(x[0, 0] > 0.0, "int32"), [lm.sin, lm.exp], x)),
    one("fori_loop", lambda x: lm.fori_loop(0, 3, lambda i, s: lm.sin(s) + x, x)),
    one("map", lambda x: lm.map(lambda r: r * lm.sum(r), x)),
    one("recursive", lambda x: _recursive(x, lm.asarray(3))),
    one("scan", lambda x: lm.scan(lambda c, r: (lm.sin(c) + r, c * r), x[0], x, reverse=True)),
    one(
        "while_loop",
        lambda x: lm.while_loop(lambda s: lm.sum(s) < 30.0, lambda s: s * s + 1.0, x, max_steps=8),
    ),
    one("custom_jvp", _doubled),
    one("Dialect", lambda x: _beat(-_beat(x, of=2.0), of=3.0)),
    one("custom_op", lambda x: lm.sin(_sums(x) * x)),
    one("grad", lm.grad(_cubed)),
    one("value_and_grad", lm.value_and_grad(_cubed)),
    one("vjp", lambda x: lm.vjp(lm.sin, x)[1](x)),
    one("jvp", lambda x: lm.jvp(lm.sin, [x], [x * x])),
    one("hvp", lambda x: lm.hvp(_cubed, [x], [x])),
    one("hessian", lm.hessian(_cubed), shape=(2,)),
    one("jacfwd", lm.jacfwd(lambda x: x * lm.sum(x)), shape=(2,)),
    one("jacrev", lm.jacrev(lambda x: x * lm.sum(x * x)), shape=(2,)),
    one("jacobian", lm.jacobian(lambda x: x * lm.sum(x * x)), shape=(2,)),
    one("linearize", lambda x: lm.linearize(lm.sin, x)[1](x)),
    one("jit", lm.jit(lambda x: lm.sin(x) * x)),
    one("vmap", lm.vmap(lambda r: r * lm.sum(r))),
]


def _named(call: Any) -> Any:
    """A call on rows that are the members of an axis."""
    return lm.vmap(call, axis_name="i")


COLLECTIVES = [
    one("all_gather", _named(lambda r: lm.all_gather(r, "i", axis=1) * r[0])),
    one("axis_index", _named(lambda r: lm.sin(r) * lm.axis_index("i"))),
    one("pmax", _named(lambda r: lm.pmax(r, "i") * r)),
    one("pmean", _named(lambda r: lm.sin(lm.pmean(r, "i")) * r)),
    one("pmin", _named(lambda r: lm.pmin(r, "i") * r)),
    one("ppermute", _named(lambda r: lm.ppermute(r * r, "i", [(0, 1)]) + r)),
    one("psum", _named(lambda r: lm.psum(r, "i") * r)),
    one("psum_scatter", _named(lambda r: lm.psum_scatter(r, "i") * r[0]), shape=(3, 3)),
]

CASES = [
    *UNARY,
    *BINARY,
    *COMPLEX,
    *REDUCTIONS,
    *SHAPES,
    *PICKING,
    *PRODUCTS,
    *CONTROL,
    *COLLECTIVES,
]

REASONS = {
    "makes values from no operand that varies": """arange empty empty_like eye geomspace identity
        linspace logspace ones ones_like tri tril_indices triu_indices diag_indices zeros zeros_like
        finfo iinfo""",
    "gives booleans or integers": """all allclose any argmax argmin argpartition argsort argwhere
        array_equal count_nonzero digitize equal flatnonzero greater greater_equal isclose isfinite
        isin isinf isnan less less_equal lexsort logical_and logical_not logical_or logical_xor
        nanargmax nanargmin nonzero not_equal one_hot searchsorted signbit""",
    "takes integers": """bitwise_and bitwise_invert bitwise_left_shift bitwise_or
        bitwise_right_shift bitwise_xor gcd lcm ix_ ravel_multi_index unravel_index""",
    "says something of types or shapes": """__array_namespace_info__ broadcast_shapes can_cast
         axis_size eval_shape include_dir is_complex isdtype result_type register_node spec""",
    "has no derivative on purpose, see tests/tensor": "from_dlpack nextafter stop_gradient",
    "is an error to differentiate, see tests/tensor/test_callbacks.py": "io_callback pure_callback",
    "has no forward mode, see tests/tensor/test_custom.py": "custom_vjp",
    "takes a function and is tested in tests/tensor": "bound_steps convert export",
}

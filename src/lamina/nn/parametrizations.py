"""Tensors of a layer that are computed from others: norms, spectra and orthogonality as conditions.

The layer keeps its code. Its attribute becomes a property, computed at every use from the tensors
in `layer.parametrizations`, which are the parameters that train.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import lamina.tensor as lm
from lamina.base.errors import ShapeError, UsageError
from lamina.nn.container import ModuleDict
from lamina.nn.module import Module
from lamina.tensor import Tensor, linalg

_PLACE = "parametrizations"  # where a module keeps them, and part of the names of its parameters


class ParametrizationList(Module):
    """Parameters, and the modules that make a tensor of a layer of them, one after the other.

    The parameters are called `original`, or `original0`, `original1` and so on where the first
    module takes several; the modules "0", "1" and so on.
    """

    def __init__(self, value: Tensor, first: Module):
        super().__init__()
        found = first.right_inverse(value) if hasattr(first, "right_inverse") else value
        many = isinstance(found, tuple)
        self._originals = (
            tuple(f"original{i}" for i in range(len(found))) if many else ("original",)
        )
        self._count = 1
        for name, tensor in zip(self._originals, found if many else (found,), strict=True):
            setattr(self, name, tensor)
        setattr(self, "0", first)

    def append(self, parametrization: Module) -> None:
        """One more module, which is given what those before have made."""
        setattr(self, str(self._count), parametrization)
        self._count += 1

    def assign(self, value: Tensor) -> None:
        """Choose the parameters so that the tensor is `value`, by the inverses of the modules.

        Raises:
            UsageError: a module has no `right_inverse`.
        """
        found: Any = value
        for i in reversed(range(self._count)):
            part = getattr(self, str(i))
            if not hasattr(part, "right_inverse"):
                raise UsageError(
                    f"parametrization: {type(part).__name__} cannot be assigned through",
                    [f"value: {value.type}"],
                    "give it a method right_inverse, or assign its original",
                )
            found = part.right_inverse(found)
        new = found if isinstance(found, tuple) else (found,)
        for name, tensor in zip(self._originals, new, strict=True):
            setattr(self, name, tensor)

    def forward(self) -> Tensor:
        value: Any = getattr(self, "0")(*[getattr(self, name) for name in self._originals])
        for i in range(1, self._count):
            value = getattr(self, str(i))(value)
        return value


def register_parametrization(module: Module, name: str, parametrization: Module) -> Module:
    """Compute a tensor of a module at every use.

    Args:
        module: the module, which is changed.
        name: of its tensor.
        parametrization: makes the tensor of its parameter in `forward`. A method `right_inverse`,
            where there is one, makes the first parameter of the tensor, or a tuple of several; else
            the tensor is the parameter. On a tensor that is computed already, it goes on with that.

    Returns:
        The module.

    Raises:
        UsageError: the module has no such tensor.

    Example:
        >>> import lamina as lm
        >>> class Even(lm.nn.Module):
        ...     def forward(self, x):
        ...         return (x + x.mT) / 2
        >>> layer = lm.nn.Linear(2, 2)
        >>> _ = lm.nn.parametrizations.register_parametrization(layer, "weight", Even())
        >>> bool((layer.weight == layer.weight.mT).all())
        True

    Source: PyTorch, `nn.utils.parametrize.register_parametrization`.
    """
    if is_parametrized(module, name):
        module.parametrizations[name].append(parametrization)
        return module
    value = module.__dict__.get(name)
    if not isinstance(value, Tensor):
        raise UsageError(
            f"register_parametrization: {type(module).__name__} has no tensor {name!r}",
            [f"attribute: {type(value).__name__}"],
        )
    delattr(module, name)
    if not is_parametrized(module):
        setattr(module, _PLACE, ModuleDict())
    module.parametrizations[name] = ParametrizationList(value, parametrization)
    _take_class(module)
    return module


def is_parametrized(module: Module, name: str | None = None) -> bool:
    """Whether the tensor `name` of a module is computed, or any when None."""
    found = module.__dict__.get(_PLACE)
    return isinstance(found, ModuleDict) and (name is None or name in found)


def remove_parametrizations(module: Module, name: str) -> Module:
    """Make what is computed now a parameter again; the module itself.

    Raises:
        UsageError: the tensor is not computed.
    """
    if not is_parametrized(module, name):
        raise UsageError(
            f"remove_parametrizations: {name!r} of {type(module).__name__} is not parametrized",
            [f"parametrized: {list(module.__dict__.get('parametrizations', ())) or 'nothing'}"],
        )
    value = getattr(module, name)
    del module.parametrizations[name]
    if not len(module.parametrizations):
        delattr(module, _PLACE)
    _take_class(module)
    setattr(module, name, value)
    return module


def _take_class(module: Module) -> None:
    """Give the module the class with a property for each computed tensor."""
    plain = getattr(type(module), "_plain", type(module))
    names = tuple(module.__dict__.get(_PLACE, ()))
    module.__class__ = _class_with(plain, names) if names else plain


@cache
def _class_with(plain: type, names: tuple[str, ...]) -> type:
    """One class for all modules of a kind with these tensors: they share their programs."""
    return type(
        f"Parametrized{plain.__name__}",
        (plain,),
        {"_plain": plain, "__doc__": plain.__doc__, **{name: _computed(name) for name in names}},
    )


def _computed(name: str) -> property:
    return property(
        lambda module: module.parametrizations[name](),
        lambda module, value: module.parametrizations[name].assign(value),
    )


# ------------------------------------------------------------------ conditions


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """w = g v / |v|: length and direction train apart.

    Args:
        module: the layer, which is changed.
        name: of its tensor.
        dim: the axis with a length for each place; None for one length of all.

    Returns:
        The layer; g and v are `parametrizations.weight.original0` and `original1`.

    Example:
        >>> import lamina as lm
        >>> layer = lm.nn.parametrizations.weight_norm(lm.nn.Linear(3, 2))
        >>> [n for n, _ in layer.named_parameters()][1:]
        ['parametrizations.weight.original0', 'parametrizations.weight.original1']

    Source: Salimans and Kingma 2016, "Weight normalization"; PyTorch's names.
    """
    return register_parametrization(module, name, WeightNorm(dim))


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int = 0,
    *,
    key: Tensor | None = None,
) -> Module:
    """w = v / sigma(v), sigma being the greatest singular value, by power iteration.

    Each use while training takes a step more.

    Args:
        module: the layer, which is changed.
        name: of its tensor.
        n_power_iterations: steps at each use.
        eps: least length that is divided by.
        dim: the axis of the rows; the others count as one. 1 suits transposed convolutions.
        key: where the first vectors come from; the default generator when None.

    Returns:
        The layer; v is `parametrizations.weight.original`.

    Raises:
        UsageError: there are no steps, or no such axis.

    Source: Miyato et al. 2018, "Spectral normalization for generative adversarial networks".
    """
    weight = getattr(module, name)
    made = SpectralNorm(weight, n_power_iterations, dim, eps, key)
    return register_parametrization(module, name, made)


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
    key: Tensor | None = None,
) -> Module:
    """Rows, or columns if these are fewer, that stay orthonormal.

    Args:
        module: the layer, which is changed; its tensor is a matrix or a batch of them.
        name: of its tensor.
        orthogonal_map: "matrix_exp", "cayley" or "householder"; the first for square matrices and
            the last for others when None.
        use_trivialization: begin with the matrix there is, made orthogonal, and train the distance
            from it. Without, the tensor is what the map makes of it; not for "householder".
        key: where the other columns of a matrix come from; the default generator when None.

    Returns:
        The layer.

    Raises:
        ShapeError: the tensor has one axis.
        UsageError: there is no such map, or none without trivialization.

    Source: Lezcano-Casado 2019, "Trivializations for gradient-based optimization on manifolds";
    PyTorch's names.
    """
    weight = getattr(module, name)
    if weight.ndim < 2:
        raise ShapeError("orthogonal: a matrix has two axes or more", [f"weight: {weight.type}"])
    square = weight.shape[-2] == weight.shape[-1]
    chosen = orthogonal_map or ("matrix_exp" if square else "householder")
    if chosen not in MAPS or (chosen == "householder" and not use_trivialization):
        raise UsageError(
            f"orthogonal: no map {chosen!r} with use_trivialization={use_trivialization}",
            [f"there are: {', '.join(MAPS)}", "householder needs use_trivialization=True"],
        )
    made = OrthogonalFrom(chosen, key) if use_trivialization else Orthogonal(chosen)
    return register_parametrization(module, name, made)


class WeightNorm(Module):
    """g v / |v|; see `weight_norm`."""

    def __init__(self, dim: int | None):
        super().__init__()
        self.dim = dim

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        return lm.multiply(v, lm.divide(g, self._lengths(v)))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Length and direction of a weight."""
        return self._lengths(weight), weight

    def _lengths(self, v: Tensor) -> Tensor:
        if self.dim is None:
            return lm.sqrt(lm.sum(lm.square(v)))
        kept = self.dim % v.ndim
        axes = tuple(k for k in range(v.ndim) if k != kept)
        return lm.sqrt(lm.sum(lm.square(v), axis=axes, keepdims=True))


class SpectralNorm(Module):
    """v / sigma(v); see `spectral_norm`."""

    def __init__(self, weight: Tensor, steps: int, dim: int, eps: float, key: Tensor | None):
        super().__init__()
        if steps < 1 or not -weight.ndim <= dim < weight.ndim:
            raise UsageError(
                "spectral_norm: there is at least one step, and dim is an axis",
                [f"n_power_iterations: {steps}", f"dim: {dim}", f"weight: {weight.type}"],
            )
        self.steps = steps
        self.dim = dim % weight.ndim
        self.eps = eps
        if weight.ndim > 1:
            matrix = self._matrix(weight)
            keys = (None, None) if key is None else lm.unstack(lm.random.split(key, 2))
            u, v = (
                self._unit(lm.random.normal((n,), dtype=weight.dtype, key=one))
                for n, one in zip(matrix.shape, keys, strict=True)
            )
            self.register_buffer("_u", u)
            self.register_buffer("_v", v)
            self._turn(matrix, 15)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return self._unit(weight)
        matrix = self._matrix(weight)
        if self.training:
            self._turn(lm.stop_gradient(matrix), self.steps)
        return lm.divide(weight, lm.vecdot(self._u, lm.matmul(matrix, self._v)))

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The weight itself, of which only the direction counts."""
        return weight

    def _turn(self, matrix: Tensor, steps: int) -> None:
        """Steps of the power iteration."""
        for _ in range(steps):
            self._u = self._unit(lm.matmul(matrix, self._v))
            self._v = self._unit(lm.matmul(lm.matrix_transpose(matrix), self._u))

    def _matrix(self, weight: Tensor) -> Tensor:
        return lm.reshape(lm.moveaxis(weight, self.dim, 0), (weight.shape[self.dim], -1))

    def _unit(self, x: Tensor) -> Tensor:
        return lm.divide(x, lm.maximum(lm.sqrt(lm.sum(lm.square(x))), self.eps))


MAPS = ("matrix_exp", "cayley", "householder")


class OrthogonalMap(Module):
    """What `Orthogonal` and `OrthogonalFrom` share: the maps."""

    def __init__(self, map_name: str):
        super().__init__()
        self.map = map_name

    def made(self, x: Tensor) -> Tensor:
        """A matrix with orthonormal columns of one that is not wide."""
        return self._reflections(x) if self.map == "householder" else self._rotation(x)

    def _rotation(self, x: Tensor) -> Tensor:
        """exp(A), or its Cayley map (1 - A/2)⁻¹ (1 + A/2), A being x below its diagonal."""
        *_, n, k = x.shape
        low = lm.tril(x)
        if n > k:
            low = lm.concat([low, lm.zeros((*x.shape[:-1], n - k), dtype=x.dtype)], axis=-1)
        a: Any = lm.subtract(low, lm.matrix_transpose(low))
        if self.map == "matrix_exp":
            q = linalg.expm(a)
        else:
            one: Any = lm.eye(n, dtype=x.dtype)
            q = linalg.solve(one - a / 2.0, one + a / 2.0)
        return q[..., :k]

    def _reflections(self, x: Tensor) -> Tensor:
        """The product of the reflections at the columns of x below its diagonal.

        With V of these columns, and ones on the diagonal, it is 1 - V T Vᵀ with the inverse of T
        being VᵀV above its diagonal and half of it there.

        Source: Joffrain et al. 2006, "Accumulating Householder transformations, revisited".
        """
        *_, n, k = x.shape
        unit: Any = lm.eye(n, k, dtype=x.dtype)
        v: Any = lm.tril(x, k=-1) + unit
        product: Any = lm.matmul(lm.matrix_transpose(v), v)
        halves = linalg.diagonal(product) / 2.0
        inner = lm.triu(product, k=1) + lm.expand_dims(halves, axis=-1) * lm.eye(k, dtype=x.dtype)
        top = lm.matrix_transpose(v[..., :k, :])  # Vᵀ times the first k columns of 1
        q: Any = unit - lm.matmul(v, linalg.solve_triangular(inner, top, lower=False))
        signs = lm.stop_gradient(linalg.diagonal(x))
        return q * lm.expand_dims(lm.trunc(signs), axis=-2)


class Orthogonal(OrthogonalMap):
    """A matrix with orthonormal rows or columns of any matrix; see `orthogonal`."""

    def forward(self, x: Tensor) -> Tensor:
        if _is_tall(x):
            return self.made(x)
        return lm.matrix_transpose(self.made(lm.matrix_transpose(x)))


class OrthogonalFrom(OrthogonalMap):
    """An orthogonal matrix times that of any matrix; see `orthogonal`."""

    def __init__(self, map_name: str, key: Tensor | None):
        super().__init__(map_name)
        self.register_buffer("base", None)
        self.register_buffer("key", key, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if _is_tall(x):
            return lm.matmul(self.base, self.made(x))
        return lm.matrix_transpose(lm.matmul(self.base, self.made(lm.matrix_transpose(x))))

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Keep the weight, made orthogonal, as the base; the parameter that changes nothing."""
        tall = weight if _is_tall(weight) else lm.matrix_transpose(weight)
        *lead, n, k = tall.shape
        if n > k:  # other columns complete it
            noise = lm.random.normal((*lead, n, n - k), dtype=tall.dtype, key=self.key)
            tall = lm.concat([tall, noise], axis=-1)
        q, r = linalg.qr(tall)
        signs = lm.where(linalg.diagonal(r) < 0.0, -1.0, 1.0)
        self.base = lm.multiply(q, lm.expand_dims(signs, axis=-2))
        one = lm.eye(*weight.shape[-2:], dtype=weight.dtype)
        return lm.broadcast_to(lm.negative(one), weight.shape)


def _is_tall(x: Tensor) -> bool:
    return x.shape[-2] >= x.shape[-1]

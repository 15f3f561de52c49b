"""Tensor: what users hold. Immutable, typed, and computed when somebody looks.

The functions of the array namespace are its methods too; `methods.py` attaches them.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.backend import execution
from lamina.base.dims import Dim
from lamina.base.dtypes import DType
from lamina.base.dtypes import dtype as dtype_from
from lamina.base.errors import ImmutableError, UsageError
from lamina.graph.ir import Expression, Op, TensorType, TupleType, Value
from lamina.graph.ops import Item
from lamina.tensor import eager, interchange

API_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")
"""The versions of the array API standard that the namespace satisfies."""


class Tensor(Expression):
    """An n-dimensional array with a dtype; operations on it are recorded and fused.

    The elements behind a Tensor never change. `x[key] = value` gives the object `x` other ones;
    every other tensor, views of `x` included, keeps what it has.

    Make one with `lm.asarray(data)`. Looking at elements (`print`, `float()`, `numpy()`, `if`)
    computes it together with everything pending that it needs.

    Attributes:
        type: dtype and shape, as the compiler sees them.
        weak: whether it stands for a Python number, which takes the other operand's dtype.
    """

    __slots__ = ("__weakref__", "_frozen", "_value", "type", "weak")
    emit_level = 1
    __array_ufunc__ = None  # NumPy leaves `array + tensor` to the Tensor

    type: TensorType
    weak: bool
    _value: Value

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise UsageError("Tensor: not made by its class", (), "lm.asarray(data) makes one")

    if TYPE_CHECKING:  # attached by methods.py

        def __getitem__(self, key: Any) -> Tensor: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...

    def __emit__(self, op: Op, operands: tuple[Any, ...]) -> Any:
        values = tuple([x._value if type(x) is Tensor else x for x in operands])
        value = eager.record(op, values)
        several = type(value.type) is TupleType
        made: Any = Parts(value) if several else _fresh(value)
        binding = value.data
        if binding.depth > eager.FLUSH_DEPTH and binding.source is None:
            eager.force([t._value for t in made.tensors] if several else [value])
        return made

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self.type.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.type.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.type.size

    @property
    def dtype(self) -> DType:
        """Element type."""
        return self.type.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.type.size_bytes

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.type.dtype.size_bytes

    @property
    def device(self) -> str:
        """Where the elements are."""
        return "cpu"

    def to_device(self, device: str, /, *, stream: Any = None) -> Tensor:
        """The tensor itself: there is one device, and it has no streams."""
        if device != "cpu":
            raise UsageError(f"to_device: no device {device!r}", ["devices: cpu"])
        if stream is not None:
            raise UsageError("to_device: the device has no streams", [f"stream: {stream!r}"])
        return self

    @property
    def is_traced(self) -> bool:
        """Whether it stands for a value inside `jit` or `vmap` that does not exist yet."""
        return self._value.data.source is not None

    @property
    def is_pending(self) -> bool:
        """Whether its elements have not been computed yet."""
        return self._value.data.buffer is None

    def block(self) -> Tensor:
        """Compute the elements now; the tensor itself."""
        self._look("block()")
        return self

    def numpy(self) -> np.ndarray:
        """The elements as a read-only NumPy array over the same memory."""
        return execution.array(self._look("numpy()"), self.type)

    def item(self) -> Any:
        """The only element as a Python number.

        Raises:
            UsageError: there is more than one element, or none.
        """
        return self._only("item()")

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return execution.array(self._look("tolist()"), self.type).tolist()

    def _look(self, look: str) -> Any:
        binding = self._value.data
        if binding.buffer is None:
            eager.force([self._value], look)
        return binding.buffer

    def _only(self, look: str) -> Any:
        if self.type.size != 1:
            raise UsageError(
                f"{look}: only a tensor with one element is a number",
                [f"tensor: {self.type}"],
                "index or reduce it first, or use numpy()",
            )
        return execution.array(self._look(look), self.type).reshape(()).item()

    def __float__(self) -> float:
        return float(self._only("float()"))

    def __int__(self) -> int:
        return int(self._only("int()"))

    def __complex__(self) -> complex:
        return complex(self._only("complex()"))

    def __bool__(self) -> bool:
        return bool(self._only("bool()"))

    def __index__(self) -> int:
        if not self.dtype.is_integer:
            raise TypeError(f"only an integer tensor is an index, this is {self.type}")
        return operator.index(self._only("index()"))

    def __len__(self) -> int:
        if not self.type.shape:
            raise TypeError("len() of a tensor without axes")
        return self.type.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.type.shape:
            raise TypeError("iteration over a tensor without axes")
        return (self[i] for i in range(self.type.shape[0]))  # type: ignore[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = execution.array(self._look("__array__()"), self.type)
        if dtype is not None and np.dtype(dtype) != array.dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    @property
    def __array_interface__(self) -> dict[str, Any]:
        # Where it is not known yet, or NumPy has no name for the dtype, `__array__` has the answer.
        if self.is_traced or self.dtype.numpy.kind == "V":
            raise AttributeError(f"no array interface for {self.type}")
        return execution.array(self._look("__array_interface__"), self.type).__array_interface__

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        if api_version not in (None, *API_VERSIONS):
            raise UsageError(
                f"__array_namespace__: no version {api_version!r} of the standard",
                [f"there are: {', '.join(API_VERSIONS)}"],
            )
        return sys.modules[__name__.partition(".")[0]]

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        array = execution.array(self._look("__dlpack__()"), self.type)
        return interchange.exported(array, self.dtype, stream, max_version, dl_device, copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        return interchange.CPU

    def freeze(self) -> Tensor:
        """Refuse assignment from now on; the tensor itself.

        Example:
            >>> import lamina as lm
            >>> x = lm.zeros(3).freeze()
            >>> x.is_frozen
            True
        """
        self._frozen = True
        return self

    @property
    def is_frozen(self) -> bool:
        """Whether `x[...] = value` is refused."""
        return getattr(self, "_frozen", False)

    def __hash__(self) -> int:
        return id(self)

    def __copy__(self) -> Tensor:
        return alias(self)

    def __deepcopy__(self, memo: Any) -> Tensor:
        return alias(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return from_numpy, (np.array(self.numpy()),)

    def __repr__(self) -> str:
        tail = f"shape={self.shape}, dtype={self.dtype.long_name})"
        source = self._value.data.source
        if source is not None:
            return f"Tensor(traced by {source.transform}, {tail}"
        text = np.array2string(
            _printable(self.numpy()), separator=", ", prefix="Tensor(", threshold=1000
        )
        return f"Tensor({text}, {tail}"

    def __str__(self) -> str:
        if self._value.data.source is not None:
            return repr(self)
        return str(_printable(self.numpy()))

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        return format(self._only("format()"), spec)


class Parts(Expression):
    """What an op with several results gives on Tensors; `ops.item` and `ops.items` take it apart.

    Its Tensors are made at once, so that looking at one computes those that still live with it.
    """

    __slots__ = ("tensors", "type")
    emit_level = 1

    def __init__(self, value: Value):
        self.type: TupleType = value.type
        self.tensors = tuple(
            [_fresh(eager.record(Item(i), (value,))) for i in range(len(value.type.items))]
        )

    def __emit__(self, op: Op, operands: tuple[Any, ...]) -> Tensor:
        if not isinstance(op, Item):
            raise UsageError(f"{op.name}: takes tensors, not the results of an op as a whole")
        return self.tensors[op.index]


def _printable(array: np.ndarray) -> np.ndarray:
    own = array.dtype.isbuiltin != 1  # a dtype of ml_dtypes, which prints without alignment
    return array.astype(np.float32) if own else array


def _fresh(value: Value) -> Tensor:
    tensor = object.__new__(Tensor)
    tensor._value = value
    tensor.type = value.type
    tensor.weak = False
    eager.hold(value, tensor)
    return tensor


def alias(x: Tensor) -> Tensor:
    """Another Tensor of the same elements: an assignment into one does not change the other."""
    tensor = object.__new__(Tensor)
    tensor._value = x._value
    tensor.type = x.type
    tensor.weak = x.weak
    eager.hold_too(x._value, tensor)
    return tensor


def as_number(x: Tensor) -> Tensor:
    """The tensor standing for a Python number."""
    made = alias(x)
    made.weak = True
    return made


def apart(result: Tensor, x: Any) -> Tensor:
    """`result`, or another Tensor of its elements where it is the object `x` itself."""
    return alias(result) if result is x else result


def require_assignable(x: Tensor) -> None:
    """Raise ImmutableError unless `x[...] = value` may be done here."""
    if x.is_frozen:
        raise ImmutableError(
            "x[...] = value: the tensor is frozen",
            [f"tensor: {x.type}"],
            "make another: x.at[...].set(value), or assign into a copy, x[...]",
        )
    transform = eager.closed_to(x._value)
    if transform is not None:
        raise ImmutableError(
            f"x[...] = value: the tensor was made outside {transform}",
            [f"tensor: {x.type}"],
            "pass it as an argument and return it, or assign into a copy, y = x[...]",
        )


def rebind(x: Tensor, other: Tensor) -> None:
    """From now on `x` has the elements of `other`, a tensor that nobody else holds."""
    eager.let_go(x._value, x)
    x._value = other._value
    x.weak = False
    eager.hold(x._value, x)


def wrap(value: Value) -> Tensor:
    """The Tensor of `value`: the one that lives, or a new one."""
    binding = value.data if value.data is not None else eager.bind([value])
    living = binding.holder() if binding.holder is not None else None
    return living if living is not None else _fresh(value)


def nullary(op: Op) -> Tensor:
    """The Tensor of an op without operands, such as a constant."""
    return _fresh(eager.record(op, ()))


def checked(op: Op, type: TensorType) -> Tensor:
    """The Tensor of an op without operands whose type is known."""
    value = Value(type, op, (), None, eager.Binding(None, 1))
    if type.symbolic or isinstance(op.value, Dim):  # type: ignore[attr-defined]
        value.data = eager.sourced(value)
    return _fresh(value)


def from_buffers(buffers: Sequence[Any], types: Sequence[TensorType]) -> list[Tensor]:
    """A Tensor over each buffer; on the path of every jitted call."""
    new, found = object.__new__, []
    for buffer, type in zip(buffers, types, strict=True):
        tensor = new(Tensor)
        tensor.type = type
        tensor.weak = False
        tensor._value = Value(type, None, (), None, eager.Binding(buffer))
        found.append(tensor)
    return found


def from_buffer(buffer: Any, type: TensorType) -> Tensor:
    """A Tensor over a runtime buffer."""
    return _fresh(eager.leaf(type, buffer))


def from_numpy(array: np.ndarray, own: bool = False) -> Tensor:
    """A Tensor over the memory of a C-contiguous array, else over a copy.

    The array must not be written to afterwards.

    Args:
        array: the elements.
        own: nobody else holds its memory.
    """
    from_dtype = _dtype_of(array)
    contiguous = np.asarray(array, order="C")
    native = contiguous.astype(from_dtype.numpy, copy=False).reshape(array.shape)
    if own or not np.may_share_memory(native, array):
        native.flags.writeable = False
    return from_buffer(execution.buffer(native), TensorType(from_dtype, array.shape))


def _dtype_of(array: np.ndarray) -> DType:
    return dtype_from(array.dtype.newbyteorder("="))


def placeholder(type: TensorType, source: eager.Source) -> Tensor:
    """A Tensor without data: an input of a program to be."""
    return _fresh(Value(type, data=eager.Binding(source=source)))

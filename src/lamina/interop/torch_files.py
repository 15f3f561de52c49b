"""Files of `torch.save`, read without PyTorch and without running what is in them.

Such a file is a zip archive: `data.pkl` describes objects in Python's pickle language, the elements
of each tensor's storage are a member of their own, stored as they are. The description is not
unpickled: a small machine follows the instructions that build numbers, texts, containers and
tensors, and anything else becomes an `Unread` mark. Every offset and size is checked.

Source: PyTorch, `torch/serialization.py` and `torch/_utils.py` (the format since 1.6); Python,
`pickletools`, for the instructions.
"""

from __future__ import annotations

import math
import os
import pickletools
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from lamina.base import dtypes
from lamina.base.dtypes import DType
from lamina.base.errors import FormatError

DESCRIPTION_LIMIT_BYTES = 1 << 28
_STORAGES = {
    "Bool": "bool", "Byte": "u8", "Char": "i8", "Short": "i16", "Int": "i32", "Long": "i64",
    "Half": "f16", "BFloat16": "bf16", "Float": "f32", "Double": "f64",
    "ComplexFloat": "c64", "ComplexDouble": "c128",
}  # fmt: skip
_DTYPE_OF_STORAGE = {f"torch.{k}Storage": dtypes.dtype(name) for k, name in _STORAGES.items()}
_DTYPE_OF_NAME = {f"torch.{d.long_name}": d for d in dtypes.ALL}
_NO_CLASS = ("torch.storage.UntypedStorage", "torch.UntypedStorage")


class Unread(NamedTuple):
    """What stands for an object of a class that is not read; `name` is the class."""

    name: str


def load_torch(path: str | os.PathLike[str]) -> Any:
    """What `torch.save` wrote, with NumPy arrays for its tensors.

    A state dict gives arrays by name; a checkpoint of several parts gives dicts of them. Objects of
    classes that are no plain data become `Unread` marks; nothing of them is executed.

    Args:
        path: of a file in the zip format that PyTorch writes since version 1.6.

    Raises:
        FormatError: it is no such file, is damaged, or its tensors lie outside of its storages.

    Example:
        >>> import lamina as lm
        >>> state = lm.interop.load_torch("resnet18.pth")  # doctest: +SKIP
        >>> lm.models.resnet18().load_state_dict(state)  # doctest: +SKIP
    """
    path = Path(path)
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return _Archive(path, archive).load()
        except FormatError:
            raise
        except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
            raise _damaged(path, f"{error}") from None


class _Storage(NamedTuple):
    data: np.ndarray  # of bytes
    dtype: DType | None  # None: bytes of no type


class _Global(NamedTuple):
    """A name in the description that is called or only mentioned."""

    name: str


class _Archive:
    """One file: its members, and the storages that were read already."""

    def __init__(self, path: Path, archive: zipfile.ZipFile):
        self.path = path
        self.archive = archive
        self.storages: dict[str, np.ndarray] = {}
        ends = [n for n in archive.namelist() if n.endswith("/data.pkl") or n == "data.pkl"]
        if len(ends) != 1:
            raise FormatError(
                "load_torch: this is no file of torch.save",
                [f"file: {path}", "a zip archive with one member data.pkl is expected"],
                "scripted models and other archives are not read; save model.state_dict()",
            )
        self.root = ends[0].removesuffix("data.pkl")
        order = f"{self.root}byteorder"
        written = self.member(order).decode() if order in archive.namelist() else "little"
        self.order: Literal["<", ">"] = ">" if written == "big" else "<"

    def load(self) -> Any:
        info = self.archive.getinfo(f"{self.root}data.pkl")
        if info.file_size > DESCRIPTION_LIMIT_BYTES:
            raise _damaged(self.path, f"a description of {info.file_size} bytes")
        return _Machine(self, self.member(info.filename)).run()

    def member(self, name: str) -> bytes:
        """A member, which is stored as it is: it takes no more memory than the file is long."""
        try:
            info = self.archive.getinfo(name)
        except KeyError:
            raise _damaged(self.path, f"it has no member {name}") from None
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise _damaged(self.path, f"member {name} is compressed")
        if info.flag_bits & 1:
            raise _damaged(self.path, f"member {name} is encrypted")
        return self.archive.read(info)

    def storage(self, identity: Any) -> _Storage:
        """The storage that the description names: ("storage", class, key, device, elements)."""
        if not isinstance(identity, tuple) or len(identity) != 5 or identity[0] != "storage":
            raise _damaged(self.path, f"a storage is described as {str(identity)[:60]}")
        kind, key, count = identity[1], identity[2], identity[4]
        name = kind.name if isinstance(kind, _Global) else str(kind)
        dtype = _DTYPE_OF_STORAGE.get(name)
        if dtype is None and name not in _NO_CLASS:
            raise _damaged(self.path, f"a storage of {name}, which is not read")
        if not isinstance(key, str) or not _is_size(count):
            raise _damaged(self.path, f"a storage is described as {str(identity)[:60]}")
        if key not in self.storages:
            data = self.member(f"{self.root}data/{key}")
            self.storages[key] = np.frombuffer(data, np.uint8)
        needed = count * (1 if dtype is None else dtype.size_bytes)
        if len(self.storages[key]) < needed:
            raise _damaged(self.path, f"storage {key} has fewer than {needed} bytes")
        return _Storage(self.storages[key][:needed], dtype)

    def tensor(self, storage: Any, offset: Any, shape: Any, strides: Any, dtype: DType) -> Any:
        """A tensor as an array of its own.

        Raises:
            FormatError: it reaches beyond its storage.
        """
        sizes = (offset, *shape, *strides)
        if not isinstance(storage, _Storage) or len(shape) != len(strides) or len(shape) > 64:
            raise _damaged(self.path, "a tensor without a storage or with other strides than axes")
        if not all(map(_is_size, sizes)):
            raise _damaged(self.path, f"a tensor of {sizes}")
        flat = storage.data[: len(storage.data) // dtype.size_bytes * dtype.size_bytes]
        elements = flat.view(dtype.numpy.newbyteorder(self.order))
        if 0 in shape:
            return np.zeros(shape, dtype.numpy)
        last = offset + sum((n - 1) * s for n, s in zip(shape, strides))
        if last >= len(elements) or math.prod(shape) > len(elements) * _REPEATS:
            raise _damaged(self.path, f"a tensor of {shape} reaches beyond its storage")
        step = dtype.size_bytes
        view = np.lib.stride_tricks.as_strided(
            elements[offset:], shape, [s * step for s in strides], writeable=False
        )
        return np.array(view, dtype.numpy.newbyteorder("="), order="C")


_REPEATS = 1 << 16  # of an element in an expanded tensor; more is an attack on memory


class _Machine:
    """Follows a description: a stack, the marks in it, and what was put aside under a number."""

    def __init__(self, archive: _Archive, description: bytes):
        self.archive = archive
        self.description = description
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """The object that is described."""
        try:
            for instruction, argument, _ in pickletools.genops(self.description):
                if instruction.name == "STOP":
                    return _plain(self.stack.pop())
                self._step(instruction.name, argument)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, FormatError):
                raise
            raise _damaged(self.archive.path, f"its description cannot be read: {error}") from None
        raise _damaged(self.archive.path, "its description has no end")

    def _step(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _VALUES:
            self.stack.append(_VALUES[name]())
        elif name in _IGNORED:
            pass
        elif hasattr(self, f"_{name.lower()}"):
            getattr(self, f"_{name.lower()}")(argument)
        else:
            raise _damaged(self.archive.path, f"its description has the instruction {name}")

    def _since_mark(self) -> list[Any]:
        at = self.marks.pop()
        found = self.stack[at:]
        del self.stack[at:]
        return found

    def _top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise ValueError(f"{type(self.stack[-1]).__name__} in place of {kind.__name__}")
        return self.stack[-1]

    def _mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def _pop(self, _: Any) -> None:
        self.stack.pop()

    def _put(self, number: Any) -> None:
        self.memo[int(number)] = self.stack[-1]

    _binput = _long_binput = _put

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _get(self, number: Any) -> None:
        self.stack.append(self.memo[int(number)])

    _binget = _long_binget = _get

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _last(self, count: int) -> None:
        parts = tuple(self.stack[len(self.stack) - count :])
        if len(parts) != count:
            raise IndexError("the stack is empty")
        del self.stack[-count:]
        self.stack.append(parts)

    def _tuple1(self, _: Any) -> None:
        self._last(1)

    def _tuple2(self, _: Any) -> None:
        self._last(2)

    def _tuple3(self, _: Any) -> None:
        self._last(3)

    def _append(self, _: Any) -> None:
        part = self.stack.pop()
        self._top(list).append(part)

    def _appends(self, _: Any) -> None:
        parts = self._since_mark()
        self._top(list).extend(parts)

    def _additems(self, _: Any) -> None:
        parts = self._since_mark()
        self._top(set).update(parts)

    def _setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._top(dict)[key] = value

    def _setitems(self, _: Any) -> None:
        parts = self._since_mark()
        self._top(dict).update(zip(parts[::2], parts[1::2], strict=True))

    def _global(self, name: str) -> None:
        module, _, attribute = name.partition(" ")
        self.stack.append(_Global(f"{module}.{attribute}"))

    def _stack_global(self, _: Any) -> None:
        attribute, module = self.stack.pop(), self.stack.pop()
        self.stack.append(_Global(f"{module}.{attribute}"))

    def _binpersid(self, _: Any) -> None:
        self.stack.append(self.archive.storage(self.stack.pop()))

    def _reduce(self, _: Any) -> None:
        arguments, what = self.stack.pop(), self.stack.pop()
        name = what.name if isinstance(what, _Global) else type(what).__name__
        builder = _BUILDERS.get(name)
        self.stack.append(builder(self.archive, *arguments) if builder else Unread(name))

    def _newobj(self, _: Any) -> None:
        _, what = self.stack.pop(), self.stack.pop()
        self.stack.append(Unread(what.name if isinstance(what, _Global) else "object"))

    def _build(self, _: Any) -> None:
        self.stack.pop()  # attributes of an object; those of a dict are only `_metadata`


_LITERALS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip
_VALUES: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": set,
}
_IGNORED = {"PROTO", "FRAME"}


def _tensor_v2(
    archive: _Archive, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any
) -> np.ndarray:
    if not isinstance(storage, _Storage) or storage.dtype is None:
        raise _damaged(archive.path, "a tensor without a storage")
    return archive.tensor(storage, offset, tuple(shape), tuple(strides), storage.dtype)


def _tensor_v3(
    archive: _Archive, storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any
) -> np.ndarray:
    dtype = rest[2].name if len(rest) > 2 and isinstance(rest[2], _Global) else "nothing"
    if dtype not in _DTYPE_OF_NAME:
        raise _damaged(archive.path, f"a tensor of {dtype}, which is not read")
    return archive.tensor(storage, offset, tuple(shape), tuple(strides), _DTYPE_OF_NAME[dtype])


_BUILDERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": lambda _, pairs=(): dict(pairs),
    "torch._utils._rebuild_tensor_v2": _tensor_v2,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": lambda _, data, *rest: data,
    "torch.Size": lambda _, sizes: tuple(sizes),
    "builtins.set": lambda _, parts: set(parts),
    "__builtin__.set": lambda _, parts: set(parts),
    "_codecs.encode": lambda _, text, *coding: text.encode("latin1"),
}


def _plain(tree: Any) -> Any:
    """The object with `Unread` marks for names and storages that stand by themselves."""
    if isinstance(tree, dict):
        return {key: _plain(part) for key, part in tree.items()}
    if isinstance(tree, list):
        return [_plain(part) for part in tree]
    if isinstance(tree, _Global):
        return Unread(tree.name)
    if isinstance(tree, _Storage):
        return Unread("a storage by itself")
    if isinstance(tree, tuple) and not isinstance(tree, Unread):
        return tuple(_plain(part) for part in tree)
    return tree


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**62


def _damaged(path: Path, fact: str) -> FormatError:
    return FormatError(
        "load_torch: the file cannot be read",
        [f"file: {path}", fact],
        "in PyTorch, torch.save(model.state_dict(), path) writes one that can",
    )

"""Python functions as kernels: what a program calls between those that were compiled."""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable

_ENTRY = ctypes.CFUNCTYPE(
    None, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)
FAILED = 1  # the status code of a call that raised
_KEPT = 64  # errors that nobody asked for, as when two calls of one run fail at once


class _Errors:
    """What calls raised, until the run that they belong to has ended."""

    def __init__(self) -> None:
        self._number = itertools.count(1)
        self._lock = threading.Lock()
        self._found: OrderedDict[int, BaseException] = OrderedDict()

    def put(self, error: BaseException) -> int:
        with self._lock:
            number = next(self._number)
            self._found[number] = error
            if len(self._found) > _KEPT:
                self._found.popitem(last=False)
        return number

    def take(self, number: int) -> BaseException | None:
        with self._lock:
            return self._found.pop(number, None)


_errors = _Errors()


class Call:
    """A kernel that is a Python function of the addresses of its arguments.

    Args:
        function: takes the addresses in order, and the chunk [begin, end) of the parallel loop that
            it is to do. What it raises ends the run as a KernelFault with
            the code `FAILED`; `raised_by` gives the error itself.
        count: how many arguments there are; the status words are the last, and not among them.

    Attributes:
        address: for a Launch. Valid as long as this object lives.
    """

    def __init__(self, function: Callable[[list[int], int, int], None], count: int):
        self._function = function
        self._count = count
        self._entry = _ENTRY(self._run)
        self.address = ctypes.cast(self._entry, ctypes.c_void_p).value or 0

    def _run(self, arguments: ctypes.Array, begin: int, end: int, scratch: int | None) -> None:
        """The executor is in the middle of a run: nothing may come out of here but a status."""
        try:
            self._function([arguments[i] or 0 for i in range(self._count)], begin, end)
        except BaseException as error:
            status = ctypes.cast(arguments[self._count], ctypes.POINTER(ctypes.c_int64))
            status[1] = _errors.put(error)
            status[0] = FAILED


def keep_error(error: BaseException) -> int:
    """A number under which `raised_by` gives an error."""
    return _errors.put(error)


def raised_by(fault_value: int) -> BaseException | None:
    """The error behind a fault of a Call, by the second of its status words; once."""
    return _errors.take(fault_value)

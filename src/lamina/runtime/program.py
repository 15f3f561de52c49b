"""Programs: kernels, what each of them reads and writes, and one call that runs them all."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from lamina.base.records import frozen
from lamina.runtime.memory import Buffer
from lamina.runtime.native import native

Mode: TypeAlias = Literal["threads", "serial", "graph"]


Control = native.Control
"""A loop or a branch over other programs; its makers are `scan`, `while_`, `switch`,
`recursion` and `recur`, which is a call in a recursion."""

PART_RADIX = 1 << 16
"""The last word of a fault: the kernel, plus this times (1 + part of its loop or branch, plus this
times the kernel inside, and so on)."""

TOO_DEEP, NO_MEMORY = -1, -2
"""The codes of faults of recursive calls; those of kernels are positive."""


class Slot(IntEnum):
    """Where a kernel's argument points."""

    INPUT = 0
    OUTPUT = 1
    ARENA = 2  # value: byte offset
    CONSTANT = 3
    STATUS = 4  # four int64 words, zero at first; a nonzero first is a fault, the last its kernel
    KEPT = 5  # value: byte offset into memory that outlives a run


class Argument(NamedTuple):
    """One pointer that a kernel receives: an index into its slot, or an offset into memory."""

    slot: Slot
    value: int = 0

    def __str__(self) -> str:
        if self.slot is Slot.STATUS:
            return "status"
        joint = "+" if self.slot in (Slot.ARENA, Slot.KEPT) else " "
        return f"{self.slot.name.lower()}{joint}{self.value}"


@frozen
class Launch:
    """One kernel call of a program.

    Args:
        name: for profiles and dumps.
        address: machine code of `void kernel(void *const *args, int64_t begin, int64_t end,
            void *scratch)`.
        args: where its pointers point, in order.
        extent: size of its parallel loop; the kernel runs chunks [begin, end) of [0, extent).
        grain: chunks are multiples of it.
        scratch_bytes: working memory per thread.
        dependencies: indices of earlier launches that must have finished. Order by data *and* by
            reuse of the arena: mode "graph" knows nothing else.
        control: a loop or a branch over other programs, in place of machine code.
        once: it runs before all others, and only where what it makes is not kept from a run before.
    """

    name: str
    address: int
    args: tuple[Argument, ...]
    extent: int = 1
    grain: int = 1
    scratch_bytes: int = 0
    dependencies: tuple[int, ...] = ()
    control: Any = None
    once: bool = False

    def __str__(self) -> str:
        args = ", ".join(str(argument) for argument in self.args)
        after = f"  after {list(self.dependencies)}" if self.dependencies else ""
        once = "  once" if self.once else ""
        return f"{self.name}({args})  extent {self.extent} grain {self.grain}{once}{after}"


@frozen
class Output:
    """One result: its size, and the input whose memory it may take over when that is donated."""

    nbytes: int
    donor: int = -1


class Timing(NamedTuple):
    """What one kernel cost since profiling began."""

    name: str
    calls: int
    total_ns: int


class Program:
    """A compiled program, ready to run from any thread.

    Args:
        launches: kernels in an order that respects their dependencies.
        outputs: sizes and donors of the results.
        arena_bytes: working memory of one run, shared by all kernels.
        constants: buffers that every run reads.
        num_inputs: how many buffers `run` expects.
        keep: kept alive with the program: whatever owns the machine code.
        kept_bytes: memory that outlives a run, for what launches make that run once.
        frozen: the inputs that those launches read. They run again in a run where one of these has
            another `serial` than in the last, or none.

    `run(inputs, donated=0)` is the native call itself: a list of Buffers in, a list of Buffers
    out, without the GIL. `donated` has one bit per input, or, as bytes, one byte; a donated input
    that nobody else holds a view of gives its memory to the output that names it as donor.

    Raises:
        ValueError: if an index, an offset or a dependency is out of range.
    """

    __slots__ = ("native", "run")

    def __init__(
        self,
        launches: Sequence[Launch],
        outputs: Sequence[Output],
        arena_bytes: int = 0,
        constants: Sequence[Buffer] = (),
        num_inputs: int = 0,
        keep: object = None,
        kept_bytes: int = 0,
        frozen: Sequence[int] = (),
    ):
        rows = [
            (
                *(x.name, x.address, x.args, x.extent, x.grain),
                x.scratch_bytes,
                x.dependencies,
                x.control,
                x.once,
            )
            for x in launches
        ]
        sizes = [(output.nbytes, output.donor) for output in outputs]
        self.native = native.Program(
            rows, sizes, arena_bytes, constants, num_inputs, kept_bytes, list(frozen)
        )
        self.native.keep = keep  # also for those who hold nothing but `run`
        self.run = self.native.run

    @property
    def kept_bytes(self) -> int:
        """Memory that outlives a run."""
        return self.native.kept_bytes

    @property
    def mode(self) -> Mode:
        """ "threads": in order, each kernel split over the pool; "serial": one thread;
        "graph": kernels as their dependencies allow, each on one thread. Same results."""
        return cast(Mode, self.native.mode)

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self.native.mode = mode

    def profile(self, enable: bool = True, *, trace: bool = False) -> None:
        """Counts time per kernel from now on; `trace` also keeps each chunk of the last run."""
        self.native.profile(enable, trace)

    def timings(self) -> list[Timing]:
        """Calls and nanoseconds of each kernel since `profile`."""
        return [Timing(*row) for row in self.native.timings()]

    def trace(self) -> list[tuple[str, int, int, int]]:
        """(kernel, thread, start_ns, end_ns) of each chunk of the last run."""
        return self.native.trace()

    def tasks(self) -> list[Launch]:
        """The launches, read back from the executor."""
        return [_read_launch(row) for row in self.native.tasks()]

    def __str__(self) -> str:
        outputs = ", ".join(
            f"{nbytes} bytes" + (f" (donor {donor})" if donor >= 0 else "")
            for nbytes, donor in self.native.outputs
        )
        lines = [
            f"program: {self.native.num_inputs} inputs, arena {self.native.arena_bytes} bytes"
            + (f", kept {self.kept_bytes} bytes" if self.kept_bytes else ""),
            *(f"  {i}: {task}" for i, task in enumerate(self.tasks())),
            f"  outputs: {outputs or 'none'}",
        ]
        return "\n".join(lines)


def _description(x: Launch) -> tuple[Any, ...]:
    return x.name, x.address, x.args, x.extent, x.grain


def _read_launch(row: dict[str, Any]) -> Launch:
    return Launch(
        name=row["kernel"],
        address=row["address"],
        args=tuple(Argument(Slot(slot), value) for slot, value in row["args"]),
        extent=row["extent"],
        grain=row["grain"],
        scratch_bytes=row["scratch_bytes"],
        dependencies=tuple(row["dependencies"]),
        once=row["once"],
    )

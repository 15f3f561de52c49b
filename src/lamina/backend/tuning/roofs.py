"""What the machine can do: multiply-adds in registers, reading, copying.

The kernels are nests, written out here and compiled as any other: chains of independent
multiply-adds that stay in registers, sums that read an array, and copies. Each thread works on a
part of its own, over and over, so that starting threads does not count. What is kept is the best of
several trials, for a disturbance can only slow a trial down.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from lamina.backend.codegen import compile_kernels
from lamina.backend.nest.parser import parse
from lamina.backend.targets import Target
from lamina.runtime import Argument, Buffer, Launch, Program, Slot, num_threads, set_num_threads

FLOAT_BYTES = 4
ALIGNMENT_BYTES = 64
Point = tuple[float, float]
"""(working set in bytes, bytes a second)."""

FMA = """
kernel multiply_adds(x: f32[2] in, y: f32[{size}] out) {{
  parallel for t in 0..{threads} {{
    alloc c: f32[{part}] register
    for r in 0..{repeats} {{
      unroll for a in 0..{chains} {{
        vector for j in 0..{lanes} {{
          c[a*{lanes} + j] = multiply_add(c[a*{lanes} + j], x[0], x[1])
        }}
      }}
    }}
    vector for j in 0..{lanes} {{
      acc s: f32 = add 0.0
      unroll for a in 0..{chains} {{
        s <- c[a*{lanes} + j]
      }}
      y[t*{lanes} + j] = s
    }}
  }}
}}
"""

READ = """
kernel read(x: f32[{size}] in, y: f32[{threads}] out) {{
  parallel for t in 0..{threads} {{
    acc s: f32 = add 0.0
    for r in 0..{repeats} {{
      vector for j in 0..{part} copies 8 {{
        s <- x[t*{part} + j]
      }}
    }}
    y[t] = s
  }}
}}
"""

COPY = """
kernel copy(x: f32[{size}] in, y: f32[{size}] out) {{
  parallel for t in 0..{threads} {{
    for r in 0..{repeats} {{
      vector for j in 0..{part} copies 8 {{
        y[t*{part} + j] = x[t*{part} + j]{streaming}
      }}
    }}
  }}
}}
"""


class Trials:
    """Runs a kernel often enough, and keeps its best rate."""

    def __init__(self, target: Target, trials: int, seconds: float):
        self.target = target
        self.trials = trials
        self.seconds = seconds

    def best(self, text: str, threads: int, arrays: Sequence[np.ndarray], **sizes: object) -> float:
        """The least seconds of one repeat of the kernel `text`."""
        before = num_threads()
        set_num_threads(threads)
        try:
            return self._best(text, threads, arrays, sizes)
        finally:
            set_num_threads(before)

    def _best(
        self, text: str, threads: int, arrays: Sequence[np.ndarray], sizes: Mapping[str, object]
    ) -> float:
        buffers = [Buffer.wrap(a) for a in arrays]
        repeats = 1
        while True:
            nest = parse(text.format(threads=threads, repeats=repeats, **sizes))
            (kernel,) = compile_kernels([nest], self.target)
            args = tuple(Argument(Slot.INPUT, i) for i in range(len(arrays)))
            launch = Launch(
                nest.name, kernel.address, args, threads, scratch_bytes=kernel.scratch_bytes
            )
            program = Program([launch], [], num_inputs=len(arrays), keep=kernel)
            taken = self._seconds(program, buffers)
            if taken >= self.seconds / 2:
                break
            repeats *= max(2, min(int(self.seconds / taken), 1000))
        taken = min(taken, *(self._seconds(program, buffers) for _ in range(self.trials)))
        return taken / repeats

    def _seconds(self, program: Program, buffers: list[Buffer]) -> float:
        began = time.perf_counter()
        program.run(buffers)
        return time.perf_counter() - began


def peak_flops(trial: Trials, threads: int) -> float:
    """f32 multiply-adds a second of `threads` threads, times two."""
    target = trial.target
    lanes = max(target.lanes("f32"), 1)
    chains = min(2 * target.fma_units * target.fma_latency, target.vector_registers - 4)
    arrays = [filled(2, 0.5), filled(threads * lanes, 0.0)]  # c = c/2 + 1/2 tends to 1
    part = chains * lanes
    taken = trial.best(
        FMA, threads, arrays, size=threads * lanes, part=part, chains=chains, lanes=lanes
    )
    return 2.0 * part * threads / taken


def read_bandwidth(trial: Trials, threads: int, size_bytes: int) -> Point:
    """Bytes a second that are read from an array of so many bytes."""
    part = size_bytes // FLOAT_BYTES // threads
    size = part * threads
    arrays = [filled(size, 0.0), filled(threads, 0.0)]
    taken = trial.best(READ, threads, arrays, size=size, part=part)
    return size_bytes, size * FLOAT_BYTES / taken


def copy_bandwidth(trial: Trials, threads: int, size_bytes: int) -> Point:
    """Bytes a second that are read and written, copying one half of so many bytes to the other.

    The better of plain stores and stores past the caches.
    """
    part = size_bytes // 2 // FLOAT_BYTES // threads
    size = part * threads
    arrays = [filled(size, 1.0), filled(size, 0.0)]
    taken = min(
        trial.best(COPY, threads, arrays, size=size, part=part, streaming=streaming)
        for streaming in ("", " streaming")
    )
    return size_bytes, 2 * size * FLOAT_BYTES / taken


def filled(size: int, value: float) -> np.ndarray:
    """An f32 array that begins a cache line, with every page written."""
    room = np.empty(size * FLOAT_BYTES + ALIGNMENT_BYTES, np.uint8)
    start = -room.ctypes.data % ALIGNMENT_BYTES
    array = room[start : start + size * FLOAT_BYTES].view(np.float32)
    array[...] = value
    return array

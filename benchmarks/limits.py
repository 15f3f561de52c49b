"""Measures the machine's limits with kernels of Lamina's own: `python -m benchmarks.limits`.

The kernels are nests, written out here and compiled by Lamina's back end: chains of independent
multiply-adds that stay in registers, sums that read an array, and copies. Each thread works on a
part of its own, over and over, so that starting threads does not count. What is kept is the best of
several trials, for a disturbance can only slow a trial down.

Example: python -m benchmarks.limits --threads 2
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence

import numpy as np

from benchmarks import machine
from benchmarks.roofline import Limits, Point, unit_rates
from benchmarks.workload import ALIGNMENT_BYTES
from lamina.backend.codegen import compile_kernels
from lamina.backend.nest.parser import parse
from lamina.backend.targets import Target, select
from lamina.runtime import Argument, Buffer, Launch, Program, Slot, set_num_threads

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SIZES_BYTES = (32 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB, GIB)
QUICK_SIZES_BYTES = (32 * KIB, MIB, 16 * MIB, 64 * MIB)
FLOAT_BYTES = 4
MEMORY_SHARE = 0.5  # of the free memory that one measurement may take

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


def measure(threads: int, quick: bool) -> Limits:
    """The limits of this machine.

    Args:
        threads: that work together.
        quick: fewer sizes and shorter trials.
    """
    target = select()
    trial = _Trials(target, trials=4 if quick else 6, seconds=0.01 if quick else 0.03)
    counts = sorted({1, threads})
    peaks = {count: peak_flops(trial, count) for count in counts}
    sizes = fitting(QUICK_SIZES_BYTES if quick else SIZES_BYTES, available_bytes())
    read = tuple(read_bandwidth(trial, threads, size) for size in sizes)
    copy = tuple(copy_bandwidth(trial, threads, size) for size in sizes)
    flags = () if os.environ.get("LAMINA_TARGET") else machine.describe()["flags"]
    return Limits(threads, peaks, read, copy, unit_rates(flags))


class _Trials:
    """Runs a kernel often enough, and keeps its best rate."""

    def __init__(self, target: Target, trials: int, seconds: float):
        self.target = target
        self.trials = trials
        self.seconds = seconds

    def best(self, text: str, threads: int, arrays: Sequence[np.ndarray], **sizes: object) -> float:
        """The least seconds of one repeat of the kernel `text`."""
        set_num_threads(threads)
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


def peak_flops(trial: _Trials, threads: int) -> float:
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


def read_bandwidth(trial: _Trials, threads: int, size_bytes: int) -> Point:
    """Bytes a second that are read from an array of so many bytes."""
    part = size_bytes // FLOAT_BYTES // threads
    size = part * threads
    arrays = [filled(size, 0.0), filled(threads, 0.0)]
    taken = trial.best(READ, threads, arrays, size=size, part=part)
    return size_bytes, size * FLOAT_BYTES / taken


def copy_bandwidth(trial: _Trials, threads: int, size_bytes: int) -> Point:
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


def fitting(sizes_bytes: Sequence[int], free_bytes: int) -> list[int]:
    """The sizes that leave the machine room to breathe; at least the first."""
    most = free_bytes * MEMORY_SHARE
    return [s for i, s in enumerate(sizes_bytes) if i == 0 or s <= most]


def available_bytes() -> int:
    """Memory that programs may still take."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 4 * GIB


def describe(limits: Limits) -> str:
    """The limits as a Markdown table."""
    peaks = ", ".join(f"{n}: {x / 1e9:.0f} GFLOP/s" for n, x in limits.peak_flops.items())
    units = ", ".join(f"{name} {rate:g}" for name, rate in limits.units.items()) or "none"
    sizes = [_size(size) for size, _ in limits.read]
    lines = [
        f"f32 multiply-adds by threads: {peaks}.",
        f"Products of other operands, as multiples by the processor's flags: {units}.",
        "",
        f"| GB/s by working set, {limits.threads} threads | {' | '.join(sizes)} |",
        f"|---|{'---:|' * len(sizes)}",
        f"| read | {' | '.join(f'{rate / 1e9:.0f}' for _, rate in limits.read)} |",
        f"| copy (read + written) | {' | '.join(f'{rate / 1e9:.0f}' for _, rate in limits.copy)} |",
    ]
    return "\n".join(lines)


def _size(size_bytes: float) -> str:
    for unit, name in ((GIB, "GB"), (MIB, "MB"), (KIB, "KB")):
        if size_bytes >= unit:
            return f"{size_bytes / unit:g} {name}"
    return f"{size_bytes:g} B"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2, help="working together (2)")
    parser.add_argument("--quick", action="store_true", help="fewer sizes, shorter trials")
    parser.add_argument("--json", action="store_true", help="one line for programs")
    options = parser.parse_args()
    limits = measure(options.threads, options.quick)
    print(json.dumps(limits.to_json()) if options.json else describe(limits))


if __name__ == "__main__":
    main()

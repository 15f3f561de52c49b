"""Measures the machine's limits with kernels of Lamina's own: `python -m benchmarks.limits`.

The kernels are those of `lamina.backend.tuning.roofs`.

Example: python -m benchmarks.limits --threads 2
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence

from benchmarks import machine
from benchmarks.roofline import Limits, unit_rates
from lamina.backend.targets import select
from lamina.backend.tuning.roofs import Trials, copy_bandwidth, peak_flops, read_bandwidth
from lamina.base import config

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SIZES_BYTES = (32 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB, GIB)
QUICK_SIZES_BYTES = (32 * KIB, MIB, 16 * MIB, 64 * MIB)
MEMORY_SHARE = 0.5  # of the free memory that one measurement may take


def measure(threads: int, quick: bool) -> Limits:
    """The limits of this machine.

    Args:
        threads: that work together.
        quick: fewer sizes and shorter trials.
    """
    target = select()
    trial = Trials(target, trials=4 if quick else 6, seconds=0.01 if quick else 0.03)
    counts = sorted({1, threads})
    peaks = {count: peak_flops(trial, count) for count in counts}
    sizes = fitting(QUICK_SIZES_BYTES if quick else SIZES_BYTES, available_bytes())
    read = tuple(read_bandwidth(trial, threads, size) for size in sizes)
    copy = tuple(copy_bandwidth(trial, threads, size) for size in sizes)
    flags = machine.describe()["flags"] if config.target() == "native" else ()
    return Limits(threads, peaks, read, copy, unit_rates(flags))


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

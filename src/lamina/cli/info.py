"""`lamina info`: the machine, the target and the caches."""

from __future__ import annotations

import argparse
from typing import Any

from lamina.backend.targets import select
from lamina.backend.targets.units import units_of
from lamina.base import config
from lamina.base.text import quantity
from lamina.cli import command
from lamina.runtime import num_threads, topology

EXAMPLES = """\
  lamina info
  LAMINA_THREADS=1 lamina info
"""


def add_command(commands: Any) -> None:
    """Add `info` to the command line."""
    one = command.add(commands, "info", "show the machine as Lamina sees it", EXAMPLES)
    one.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a line a fact."""
    target = select()
    machine = topology()
    caches = target.caches
    units = units_of(target)
    print(f"processor  {machine['model']} ({machine['architecture']}), {num_threads()} threads")
    print(f"target     {target.name}: {target.vector_bytes * 8}-bit vectors")
    for number, unit in enumerate(units):
        print(f"{'units' if number == 0 else '':10} {unit}")
    sizes = (caches.l1d_bytes, caches.l2_bytes, caches.l3_bytes)
    print("caches     " + ", ".join(quantity(size, "B") for size in sizes))
    print(f"kernels    {config.cache_dir() or 'not kept on disk'}")
    return 0

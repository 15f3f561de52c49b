"""`counters`: what the kernels of a function do, counted; and what changed between two variants."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lamina.base.errors import UsageError
from lamina.base.text import table
from lamina.tensor.jit import as_jitted

if TYPE_CHECKING:
    from lamina.backend.tuning.counting import KernelCounters

INTENSITY = "flops a byte of parameters"
NEAR_INTENSITY = "flops a byte moved"


@dataclass(frozen=True, repr=False)
class Counters:
    """What the kernels of a program do.

    Attributes:
        kernels: each distinct one with `name`, `unit` and `values` by counter, all of its steps
            together.
    """

    kernels: tuple[KernelCounters, ...]

    @cached_property
    def totals(self) -> dict[str, float]:
        """All kernels together, by counter."""
        found: dict[str, float] = {}
        for kernel in self.kernels:
            for name, value in kernel.values.items():
                found[name] = found.get(name, 0) + value
        return _with_ratios(found)

    def against(self, other: Counters) -> Difference:
        """What changed from these counters to others."""
        names = dict.fromkeys([*self.totals, *other.totals])
        pairs = {n: (self.totals.get(n, 0), other.totals.get(n, 0)) for n in names}
        return Difference({n: pair for n, pair in pairs.items() if pair[0] != pair[1]})

    def __str__(self) -> str:
        several = len(self.kernels) > 1
        head = ["counter", *(k.name for k in self.kernels), *(["all"] if several else [])]
        rows: list[list[object]] = [["unit", *(k.unit for k in self.kernels)]]
        rows[0] += [""] if several else []
        for name, total in self.totals.items():
            each = [_shown(_with_ratios(k.values).get(name, 0)) for k in self.kernels]
            rows.append([name, *each, *([_shown(total)] if several else [])])
        return table(head, rows)

    def __repr__(self) -> str:
        return f"<Counters of {len(self.kernels)} kernels>"


@dataclass(frozen=True, repr=False)
class Difference:
    """Counters that changed between two variants.

    Attributes:
        changed: by counter: its value before and after.
    """

    changed: Mapping[str, tuple[float, float]]

    def factor(self, name: str) -> float:
        """After over before; infinite for what was 0, 1 for what did not change."""
        before, after = self.changed.get(name, (1.0, 1.0))
        return after / before if before else math.inf

    @property
    def largest(self) -> str:
        """The counter that changed by the largest factor; "" where none did."""
        return max(self.changed, key=self._distance, default="")

    def _distance(self, name: str) -> float:
        factor = self.factor(name)
        return math.inf if factor in (0.0, math.inf) else abs(math.log(factor))

    def __str__(self) -> str:
        if not self.changed:
            return "no counter changed"
        rows = []
        for name in sorted(self.changed, key=self._distance, reverse=True):
            before, after = self.changed[name]
            factor = self.factor(name)
            times = "new" if factor == math.inf else "gone" if not factor else f"{factor:.3g}x"
            rows.append([name, _shown(before), _shown(after), times])
        return table(["counter", "before", "after", "factor"], rows)

    def __repr__(self) -> str:
        return f"<Difference in {len(self.changed)} counters>"


def counters(
    f: Callable[..., Any],
    *args: Any,
    target: str | None = None,
    candidate: str = "",
    **kwargs: Any,
) -> Counters:
    """Count what the kernels of `f` do for these arguments, without running them.

    Elements over all iterations: loads and stores, the bytes these move between registers and the
    first cache, multiply-adds, divisions, other operations, bytes of parameters (the least that
    must come from memory), operations for each of those, scratch and register elements. And
    machine instructions in the code, by kind: vector loads and stores, shuffles, gathers, spills.

    Args:
        f: a function, jitted or not, a module or a training step.
        args, kwargs: arguments for it, as in a call.
        target: a processor to compile for, such as "avx2"; the one in use when not given.
        candidate: how kernels are scheduled, by the name that `tune` shows, such as
            "tiled kc=256"; those that have no such candidate are scheduled as ever.

    Returns:
        Counters, which print as a table; `before.against(after)` says what changed.

    Raises:
        UsageError: no kernel has such a candidate.

    Example:
        >>> import lamina as lm
        >>> x = lm.ones((64, 64))
        >>> counted = counters(lambda a: a @ a, x, target="generic")
        >>> counted.totals["flops"] >= 2 * 64**3
        True
        >>> again = counters(lambda a: a @ a, x, target="generic", candidate="plain")
        >>> counted.against(again).factor("loads") > 1
        True
    """
    from lamina.backend.compile import compile_graph  # these import LLVM: on first use only
    from lamina.backend.targets import select
    from lamina.backend.tuning.counting import count_program

    jitted, given = as_jitted(f, args)
    traced = jitted.lower(*given, **kwargs)
    program = compile_graph(
        traced.graph, select(target), relaxed=jitted.relaxed, frozen=traced.frozen
    )
    found, fitting = count_program(program, candidate)
    if candidate and not fitting:
        raise UsageError(
            f"counters: no kernel has a candidate {candidate!r}",
            [f"kernels: {', '.join(k.name for k in found) or 'none'}"],
            "lm.tune shows names of candidates",
        )
    return Counters(tuple(found))


def _with_ratios(values: Mapping[str, float]) -> dict[str, float]:
    """Counters and what follows from them: operations for each byte, from where it comes."""
    found = dict(values)
    moved = found.get("load bytes", 0) + found.get("store bytes", 0)
    for name, bytes in ((INTENSITY, found.get("parameter bytes", 0)), (NEAR_INTENSITY, moved)):
        if bytes:
            found[name] = found.get("flops", 0) / bytes
    return found


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"

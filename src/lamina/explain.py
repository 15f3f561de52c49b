"""`explain`: what the compiler makes of a function, stage by stage."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from lamina.backend import execution
from lamina.tensor.jit import as_jitted

if TYPE_CHECKING:
    from lamina.backend.compile import Compiled
    from lamina.backend.compile.explain import Section


@dataclass(frozen=True, repr=False)
class Explanation:
    """A program and how it came to be.

    Attributes:
        name: of the function.
        stages: the graph, each pass, kernels, nests, memory, program and times, as sections with
            `name`, `title`, `text` and `seconds`.
        program: the compiled program; `program.record` holds the stages as objects.
        text: all stages as one text.
    """

    name: str
    stages: tuple[Section, ...]
    program: Compiled = field(compare=False)
    text: str

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        nodes, kernels = len(self.program.graph.nodes), len(self.program.record.kernels)
        return f"<Explanation of {self.name}: {nodes} nodes, {kernels} kernels>"


def explain(
    f: Callable[..., Any],
    *args: Any,
    passes: bool = True,
    graphs: bool = False,
    llvm: bool = False,
    assembly: bool = False,
    target: str | None = None,
    file: TextIO | None = None,
    **kwargs: Any,
) -> Explanation:
    """Print what the compiler makes of `f` for these arguments, and return it.

    `f` is traced and compiled, not run: nothing that it assigns stays. What is shown: the graph,
    what each pass changed in it, kernels, loops, memory plan, program, and the time of each stage.

    Args:
        f: a plain function, a jitted one, a module or a training step.
        args, kwargs: arguments for it, as in a call.
        passes: show what each pass changed; False leaves it out of a long report.
        graphs: show the whole graph after each pass instead.
        llvm: show the LLVM IR of each kernel too.
        assembly: show its machine code too, as text.
        target: a processor to compile for, such as "avx2"; the one in use when not given.
        file: where to print; standard output when not given.

    Returns:
        An object with `text`, `stages` and `program`.

    Example:
        >>> import io
        >>> import lamina as lm
        >>> seen = explain(lambda x: -(-x) + 1.0, lm.ones(3), file=io.StringIO())
        >>> seen
        <Explanation of <lambda>: 4 nodes, 1 kernels>
        >>> print(next(s.text for s in seen.stages if s.name == "simplify"))
        removed 2: negative 2
        read other operands 1: add
          - %0: f32[3] = negative %a
          - %1: f32[3] = negative %0
          - %3: f32[3] = add %1, %2
          + %3: f32[3] = add %a, %2
    """
    from lamina.backend.compile import compile_graph  # these import LLVM: on first use only
    from lamina.backend.compile.explain import joined, sections
    from lamina.backend.targets import select

    jitted, given = as_jitted(f, args)
    known, start = jitted.signatures, time.perf_counter()
    traced = jitted.lower(*given, **kwargs)
    trace_s = time.perf_counter() - start if jitted.signatures > known else None
    if target is None and execution.back_end() == "reference":
        target = "native"
    machine = select(target) if target is not None else None
    program = compile_graph(
        traced.graph,
        machine,
        relaxed=jitted.relaxed,
        frozen=traced.frozen,
        mode=jitted.executor,
    )
    stages = sections(
        program, passes=passes, graphs=graphs, llvm=llvm, assembly=assembly, trace_s=trace_s
    )
    text = joined(stages)
    print(text, file=sys.stdout if file is None else file)
    return Explanation(_name(f), stages, program, text)


def _name(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)

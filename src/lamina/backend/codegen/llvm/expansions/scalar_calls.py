"""Ways out of the lanes: the C library one lane at a time, and f32 computed in f64."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..lanes import Lane, Lanes


def through_f64(s: Lanes, function: Callable[..., Lane], *args: Lane) -> Lane:
    """An f32 function as its f64 self, rounded once at the end (at most 0.51 ulp)."""
    wide = [s.convert("fpext", a, "f64") for a in args]
    return s.convert("fptrunc", function(s, *wide), "f32")


def libm(s: Lanes, name: str, *args: Lane) -> Lane:
    """Call the C library's `name` on each lane, from a helper function outside the kernel."""
    helper = declare_libm(s, name, args)
    operands = ", ".join(a.typed for a in args)
    x = args[0]
    return type(x)(s.emit(f"call {x.type} @{helper}({operands})"), x.dtype, x.width)


def declare_libm(s: Lanes, name: str, args: tuple[Lane, ...]) -> str:
    """Define `@lamina.libm.<name>.<shape>`, one scalar call per lane; returns its name."""
    x = args[0]
    symbol = name + ("f" if x.dtype == "f32" else "")
    scalar = x.type.split(" x ")[-1].rstrip(">")
    s.declare(f"declare {scalar} @{symbol}({', '.join([scalar] * len(args))})")
    if x.width == 1:
        return symbol
    helper = f"lamina.libm.{name}.v{x.width}{x.dtype}"
    parameters = ", ".join(f"{x.type} %a{i}" for i in range(len(args)))
    lines = [f"define internal {x.type} @{helper}({parameters}) noinline cold {{"]
    result = "poison"
    for lane in range(x.width):
        for i in range(len(args)):
            lines.append(f"  %x{i}.{lane} = extractelement {x.type} %a{i}, i64 {lane}")
        operands = ", ".join(f"{scalar} %x{i}.{lane}" for i in range(len(args)))
        lines.append(f"  %y.{lane} = call {scalar} @{symbol}({operands})")
        lines.append(
            f"  %r.{lane} = insertelement {x.type} {result}, {scalar} %y.{lane}, i64 {lane}"
        )
        result = f"%r.{lane}"
    lines += [f"  ret {x.type} {result}", "}"]
    s.declare("\n".join(lines))
    return helper


def libm_beyond(s: Lanes, name: str, x: Lane, limit: float, fast: Lane) -> Lane:
    """`fast`, except the C library's `name` where |x| > limit.

    The guard is an always-inlined function with a branch no usual vector takes; only the lanes
    beyond the limit are replaced, so a lane's value never depends on its neighbours.
    """
    slow = declare_libm(s, name, (x,))
    shape = x.dtype if x.width == 1 else f"v{x.width}{x.dtype}"
    guard = f"lamina.beyond.{name}.{shape}"
    bound = s.constant_like(x, limit).name
    mask = x.type.replace("float", "i1").replace("double", "i1")
    any_far = "  %any = freeze i1 %far"
    if x.width > 1:
        reduce = f"llvm.vector.reduce.or.v{x.width}i1"
        s.declare(f"declare i1 @{reduce}({mask})")
        any_far = f"  %any = call i1 @{reduce}({mask} %far)"
    s.declare(f"declare {x.type} @llvm.fabs.{shape}({x.type})")
    s.declare("declare i1 @llvm.expect.i1(i1, i1)")
    s.declare(
        f"""define internal {x.type} @{guard}({x.type} %x, {x.type} %fast) alwaysinline {{
  %size = call {x.type} @llvm.fabs.{shape}({x.type} %x)
  %far = fcmp ogt {x.type} %size, {bound}
{any_far}
  %rare = call i1 @llvm.expect.i1(i1 %any, i1 false)
  br i1 %rare, label %slow, label %done
slow:
  %called = call {x.type} @{slow}({x.type} %x)
  %mixed = select {mask} %far, {x.type} %called, {x.type} %fast
  br label %done
done:
  %result = phi {x.type} [ %fast, %0 ], [ %mixed, %slow ]
  ret {x.type} %result
}}"""
    )
    return type(x)(s.emit(f"call {x.type} @{guard}({x.typed}, {fast.typed})"), x.dtype, x.width)

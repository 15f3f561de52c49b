"""Lane arithmetic as LLVM IR text: one lane, or a vector of lanes, one instruction at a time.

`Lanes` holds what LLVM has an instruction or intrinsic for.  Everything else (tanh, floor_divide, a
half-precision round trip ...) is a plain function over `Lanes` in `expansions/`, found by its name.
Numerics are strict: no fast-math flag is ever written (but for the sign of a zero in `maximum` and
`minimum`, which is unspecified), and a fused multiply-add appears only where the source says so.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import ml_dtypes
import numpy as np

from . import expansions

FLOATS = ("f16", "bf16", "f32", "f64")
HALVES = ("f16", "bf16")
STORED = ("f8e4m3fn", "f8e5m2")
SIGNED = ("i8", "i16", "i32", "i64")
UNSIGNED = ("u8", "u16", "u32", "u64")
INTEGERS = SIGNED + UNSIGNED

_LLVM_TYPE = {"bool": "i1", "f32": "float", "f64": "double"}
_LLVM_TYPE |= dict.fromkeys(HALVES, "i16") | dict.fromkeys(STORED, "i8")
"""Halves are carried as their bits: LLVM would call libraries to move `half` and `bfloat` about.
So are the floats of 8 bits, which are only cast."""
_NUMPY = {
    "f16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "f8e4m3fn": ml_dtypes.float8_e4m3fn,
    "f8e5m2": ml_dtypes.float8_e5m2,
}
_OP_METHOD = {"and": "and_", "or": "or_", "not": "not_"}
_BITWISE = ("select", "cast", "bitcast", "sign_bit")


class Features(Protocol):
    """What `Lanes` asks of a target: does the machine have this LLVM feature ("fma", "avx512f")?"""

    def has(self, feature: str) -> bool: ...


class Lane(NamedTuple):
    """A value in registers: an LLVM operand, its dtype, and how many lanes it spans."""

    name: str
    dtype: str
    width: int = 1

    @property
    def type(self) -> str:
        """The LLVM type, such as `float` or `<16 x i1>`."""
        return llvm_type(self.dtype, self.width)

    @property
    def typed(self) -> str:
        """The operand as an argument: `float %t3`."""
        return f"{llvm_type(self.dtype, self.width)} {self.name}"

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS

    @property
    def is_signed(self) -> bool:
        return self.dtype in SIGNED

    @property
    def is_literal(self) -> bool:
        return not self.name.startswith(("%", "@"))


@functools.cache
def llvm_type(dtype: str, width: int = 1) -> str:
    """`("f32", 16) -> "<16 x float>"`; width 1 is the scalar type."""
    scalar = _LLVM_TYPE.get(dtype) or "i" + dtype[1:]
    return scalar if width == 1 else f"<{width} x {scalar}>"


@functools.cache
def bits_of(dtype: str) -> int:
    """Bits of one element in registers: 1 for bool, 16 for bf16."""
    if dtype in STORED:
        return 8
    return 1 if dtype == "bool" else int(dtype.lstrip("buif"))


def literal(value: Any, dtype: str) -> str:
    """The exact LLVM spelling of a scalar; floats as bit patterns, inf, nan and -0.0 included."""
    if dtype == "bool":
        return "true" if value else "false"
    if dtype in INTEGERS:
        if type(value) is int and 0 <= value < 128:
            return str(value)
        bits = bits_of(dtype)
        value = int(value) & (1 << bits) - 1
        return str(value - (1 << bits) if value >> bits - 1 else value)
    if dtype in _NUMPY:
        return str(int(np.asarray(value, _NUMPY[dtype]).view(f"i{bits_of(dtype) // 8}")))
    with np.errstate(over="ignore"):
        exact = float(np.float32(value)) if dtype == "f32" else float(value)
    return "0x" + struct.pack(">d", exact).hex().upper()


@functools.cache
def expansion(op: str) -> Callable[..., Lane] | None:
    """The function named `op` in one of the modules of `expansions/`, or None."""
    for module in pkgutil.iter_modules(expansions.__path__):
        found = getattr(importlib.import_module(f"{expansions.__name__}.{module.name}"), op, None)
        if found is not None and found.__module__.endswith(f".{module.name}"):
            return found
    return None


def _is_power_of_two(x: Lane) -> bool:
    """Whether `x` is such a literal, by which LLVM multiplies instead."""
    return x.is_literal and int(x.name, 16) & (1 << 52) - 1 == 0


class Lanes:
    """Emits lane arithmetic into one function body.

    Args:
        emit: appends `"%tN = " + text` to the current block and returns `%tN`.
        declare: records a module-level declaration or helper definition; duplicates are fine.
        target: answers `has(feature)`; None is a machine with no optional feature.

    Attributes:
        many: whether so many vectors follow each other that preparing something for all pays.

    Example:
        >>> lines = []
        >>> s = Lanes(lambda text: lines.append(text) or f"%t{len(lines)}", print, None)
        >>> s.add(Lane("%x", "f32", 4), s.constant(1.0, "f32")).typed
        '<4 x float> %t1'
        >>> lines
        ['fadd <4 x float> %x, splat (float 0x3FF0000000000000)']
    """

    def __init__(
        self,
        emit: Callable[[str], str],
        declare: Callable[[str], None],
        target: Features | None,
    ):
        self.emit = emit
        self.declare = declare
        self.target = target
        self.many = True

    # --- any op, by name ---------------------------------------------------------------------

    def apply(self, op: str, args: list[Lane], dtype: str) -> Lane:
        """Emit `op` on `args` with result `dtype`; scalars are broadcast to the widest argument.

        f16 and bf16 are computed in f32 and rounded once per op.
        """
        width = max(a.width for a in args)
        if op == "divide" and args[1].width == 1:
            args = [self.broadcast(args[0], width), args[1]]  # division wants to know
        else:
            args = [self.broadcast(a, width) for a in args]
        if op in ("cast", "bitcast"):
            return getattr(self, op)(args[0], dtype)
        if args[-1].dtype in HALVES and op not in _BITWISE:
            wide = [self.cast(a, "f32") if a.dtype in HALVES else a for a in args]
            result = self.apply(op, wide, "f32" if dtype in HALVES else dtype)
            return self.cast(result, dtype)
        return getattr(self, _OP_METHOD.get(op, op))(*args)

    def __getattr__(self, op: str) -> Callable[..., Lane]:
        function = None if op.startswith("_") else expansion(op)
        if function is None:
            raise AttributeError(
                f"no lane operation named {op!r}: write `def {op}(s, x)` in a module of "
                f"{expansions.__name__}"
            )
        return functools.partial(function, self)

    # --- values --------------------------------------------------------------------------------

    def constant(self, value: object, dtype: str, width: int = 1) -> Lane:
        """A literal; `width` > 1 splats it."""
        text = literal(value, dtype)
        if width > 1:
            text = f"splat ({llvm_type(dtype)} {text})"
        return Lane(text, dtype, width)

    def constant_like(self, x: Lane, value: object) -> Lane:
        """A literal of the dtype and width of `x`."""
        return self.constant(value, x.dtype, x.width)

    def numbers(self, values: Sequence[int], dtype: str) -> Lane:
        """A literal with these integers as lanes."""
        kind = llvm_type(dtype)
        text = ", ".join(f"{kind} {literal(value, dtype)}" for value in values)
        return Lane(f"<{text}>", dtype, len(values))

    def mask(self, lanes: Sequence[bool]) -> Lane:
        """A literal with these bools as lanes; a scalar for one."""
        texts = ["true" if lane else "false" for lane in lanes]
        if len(texts) == 1:
            return Lane(texts[0], "bool")
        return Lane(f"<{', '.join('i1 ' + text for text in texts)}>", "bool", len(texts))

    def broadcast(self, x: Lane, width: int) -> Lane:
        """The scalar `x` in every one of `width` lanes."""
        if x.width == width:
            return x
        if x.width != 1:
            raise ValueError(f"broadcast: {x.width} lanes do not spread over {width}")
        wide = llvm_type(x.dtype, width)
        if x.is_literal:
            return Lane(f"splat ({x.typed})", x.dtype, width)
        first = self.emit(f"insertelement {wide} poison, {x.typed}, i64 0")
        zeros = f"<{width} x i32> zeroinitializer"
        return Lane(
            self.emit(f"shufflevector {wide} {first}, {wide} poison, {zeros}"), x.dtype, width
        )

    def extract(self, x: Lane, index: int) -> Lane:
        """Lane `index` of `x`, a scalar."""
        if x.width == 1:
            return x
        return Lane(self.emit(f"extractelement {x.typed}, i64 {index}"), x.dtype)

    def shuffle(self, x: Lane, lanes: Sequence[int]) -> Lane:
        """The named lanes of `x`, in order; -1 is any value."""
        if len(lanes) == 1:
            return self.extract(x, lanes[0])
        if len(lanes) == x.width and all(i == lane for i, lane in enumerate(lanes)):
            return x
        return self.mix(x, Lane("poison", x.dtype, x.width), lanes)

    def mix(self, a: Lane, b: Lane, lanes: Sequence[int]) -> Lane:
        """The named lanes of `a` and then `b`, in order; -1 is any value."""
        mask = ", ".join(["i32 poison" if i < 0 else f"i32 {i}" for i in lanes])
        text = f"shufflevector {a.typed}, {b.typed}, <{len(lanes)} x i32> <{mask}>"
        return Lane(self.emit(text), a.dtype, len(lanes))

    def pick(self, vectors: Sequence[Lane], places: Sequence[tuple[int, int]]) -> Lane:
        """For each (vector, lane) that lane; pairs of vectors first, then pairs of pairs."""
        if len(vectors) == 1:
            return self.shuffle(vectors[0], [i for _, i in places])
        if len(vectors) == 2:
            a, b = vectors
            return self.mix(a, b, [i if i < 0 else n * a.width + i for n, i in places])
        half = len(vectors) // 2 + len(vectors) % 2
        low = [(n, i) if n < half else (0, -1) for n, i in places]
        high = [(n - half, i) if n >= half else (0, -1) for n, i in places]
        first, second = self.pick(vectors[:half], low), self.pick(vectors[half:], high)
        width = len(places)
        order = [i if places[i][0] < half else i + width for i in range(width)]
        return self.mix(first, second, order)

    def join(self, parts: Sequence[Lane]) -> Lane:
        """Vectors of one size, a power of two of them, one after the other."""
        while len(parts) > 1:
            pairs = zip(parts[::2], parts[1::2])
            parts = [self.mix(a, b, range(2 * a.width)) for a, b in pairs]
        return parts[0]

    def turn(self, rows: Sequence[Lane]) -> list[Lane]:
        """Columns of rows: lane l of result u is lane u of row l (Eklundh 1972).

        There are a power of two of rows, at least as many as each has lanes.
        """
        size = rows[0].width
        vectors = [self.join(rows[k::size]) for k in range(size)]
        width, h = len(rows), 1
        while h < size:
            low = [i if not i & h else width + i - h for i in range(width)]
            high = [i + h if not i & h else width + i for i in range(width)]
            for i in range(size):
                if not i & h:
                    a, b = vectors[i], vectors[i + h]
                    vectors[i], vectors[i + h] = self.mix(a, b, low), self.mix(a, b, high)
            h *= 2
        return vectors

    def intrinsic(
        self,
        name: str,
        args: list[Lane],
        dtype: str,
        *extra: str,
        flags: str = "",
        width: int | None = None,
    ) -> Lane:
        """Call `@name(args, extra)`, as wide as `args[0]` if not said otherwise, declaring it;
        `extra` are literals."""
        width = width or args[0].width
        result = llvm_type(dtype, width)
        types = [a.type for a in args] + [e.rsplit(" ", 1)[0] for e in extra]
        self.declare(f"declare {result} @{name}({', '.join(types)})")
        text = ", ".join([a.typed for a in args] + list(extra))
        return Lane(self.emit(f"call {flags}{result} @{name}({text})"), dtype, width)

    def _named(self, base: str, *args: Lane, extra: tuple[str, ...] = (), flags: str = "") -> Lane:
        x = args[0]
        scalar = {"float": "f32", "double": "f64"}
        kind = scalar.get(llvm_type(x.dtype), llvm_type(x.dtype))
        suffix = kind if x.width == 1 else f"v{x.width}{kind}"
        return self.intrinsic(f"llvm.{base}.{suffix}", list(args), x.dtype, *extra, flags=flags)

    def binary(self, instruction: str, a: Lane, b: Lane) -> Lane:
        """One LLVM instruction of two operands of one type: `fadd`, `sdiv` ..."""
        return Lane(self.emit(f"{instruction} {a.typed}, {b.name}"), a.dtype, a.width)

    def same_width(self, a: Lane, b: Lane) -> tuple[Lane, Lane]:
        """Both operands, a scalar one broadcast."""
        width = max(a.width, b.width)
        return self.broadcast(a, width), self.broadcast(b, width)

    def has(self, feature: str) -> bool:
        """Whether the target has an LLVM feature."""
        return self.target is not None and self.target.has(feature)

    def has_avx512(self, x: Lane) -> bool:
        """Whether AVX-512 has instructions for exactly this float vector."""
        size = x.width * bits_of(x.dtype)
        if x.dtype not in ("f32", "f64") or size not in (128, 256, 512):
            return False
        return self.has("avx512f") and (size == 512 or self.has("avx512vl"))

    def avx512(self, name: str, args: list[Lane], like: Lane, *immediate: str) -> Lane:
        """An unmasked AVX-512 intrinsic `llvm.x86.avx512.mask.<name>.p[sd].<bits>`."""
        kind = "ps" if like.dtype == "f32" else "pd"
        size = like.width * bits_of(like.dtype)
        lanes = max(like.width, 8)
        extra = [*immediate, f"{like.type} zeroinitializer", f"i{lanes} -1"]
        if size == 512:
            extra.append("i32 4")
        return self.intrinsic(
            f"llvm.x86.avx512.mask.{name}.{kind}.{size}", args, like.dtype, *extra
        )

    # --- arithmetic ----------------------------------------------------------------------------

    def _arithmetic(self, name: str, a: Lane, b: Lane) -> Lane:
        a, b = self.same_width(a, b)
        if a.dtype == "bool":
            return self.binary({"add": "or", "mul": "and", "sub": "xor"}[name], a, b)
        return self.binary(("f" if a.is_float else "") + name, a, b)

    def add(self, a: Lane, b: Lane) -> Lane:
        return self._arithmetic("add", a, b)

    def subtract(self, a: Lane, b: Lane) -> Lane:
        return self._arithmetic("sub", a, b)

    def multiply(self, a: Lane, b: Lane) -> Lane:
        return self._arithmetic("mul", a, b)

    def divide(self, a: Lane, b: Lane) -> Lane:
        """IEEE division; integers have `floor_divide`."""
        if not a.is_float:
            raise TypeError(f"divide takes floats, got {a.dtype}; integers have floor_divide")
        same = self.many and b.width == 1 < a.width and not _is_power_of_two(b)
        if same and self.has_avx512(a):
            return self.divide_by_same(a, b)
        return self.binary("fdiv", *self.same_width(a, b))

    def multiply_add(self, a: Lane, b: Lane, c: Lane) -> Lane:
        """a*b + c: one rounding for floats on every target (without FMA hardware libm does it)."""
        width = max(a.width, b.width, c.width)
        a, b, c = (self.broadcast(v, width) for v in (a, b, c))
        if not a.is_float:
            return self.add(self.multiply(a, b), c)
        return self._named("fma", a, b, c)

    def fma(self, a: Lane, b: Lane, c: Lane) -> Lane:
        """a*b + c for expansions: fused where the target does that in one instruction, else two."""
        if self.has("fma") and a.is_float:
            return self.multiply_add(a, b, c)
        return self.add(self.multiply(a, b), c)

    def polynomial(self, x: Lane, coefficients: tuple[float, ...]) -> Lane:
        """Horner's scheme; coefficients from the constant term up."""
        result = self.constant_like(x, coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            result = self.fma(result, x, self.constant_like(x, coefficient))
        return result

    def negative(self, x: Lane) -> Lane:
        if x.is_float:
            return Lane(self.emit(f"fneg {x.typed}"), x.dtype, x.width)
        return self.subtract(self.constant_like(x, 0), x)

    def abs(self, x: Lane) -> Lane:
        """|x|; the most negative integer stays itself, as in NumPy."""
        if x.is_float:
            return self._named("fabs", x)
        return self._named("abs", x, extra=("i1 false",)) if x.is_signed else x

    def sqrt(self, x: Lane) -> Lane:
        return self._named("sqrt", x)

    def floor(self, x: Lane) -> Lane:
        return self._named("floor", x) if x.is_float else x

    def ceil(self, x: Lane) -> Lane:
        return self._named("ceil", x) if x.is_float else x

    def trunc(self, x: Lane) -> Lane:
        return self._named("trunc", x) if x.is_float else x

    def round(self, x: Lane) -> Lane:
        """Nearest integer, ties to even."""
        return self._named("rint", x) if x.is_float else x

    def copysign(self, magnitude: Lane, sign: Lane) -> Lane:
        return self._named("copysign", *self.same_width(magnitude, sign))

    def maximum(self, a: Lane, b: Lane) -> Lane:
        """The larger; NaN if either is NaN (the sign of a zero among equals is unspecified)."""
        return self._extremum("max", a, b)

    def minimum(self, a: Lane, b: Lane) -> Lane:
        """The smaller; NaN if either is NaN (the sign of a zero among equals is unspecified)."""
        return self._extremum("min", a, b)

    def _extremum(self, name: str, a: Lane, b: Lane) -> Lane:
        a, b = self.same_width(a, b)
        if a.dtype == "bool":
            return self.binary("or" if name == "max" else "and", a, b)
        if not a.is_float:
            return self._named(("s" if a.is_signed else "u") + name, a, b)
        return self._named(f"{name}imum", a, b, flags="nsz ")

    # --- bits ----------------------------------------------------------------------------------

    def and_(self, a: Lane, b: Lane) -> Lane:
        return self.binary("and", *self.same_width(a, b))

    def or_(self, a: Lane, b: Lane) -> Lane:
        return self.binary("or", *self.same_width(a, b))

    def xor(self, a: Lane, b: Lane) -> Lane:
        return self.binary("xor", *self.same_width(a, b))

    def not_(self, x: Lane) -> Lane:
        return self.xor(x, self.constant_like(x, 1 if x.dtype == "bool" else -1))

    def shl(self, x: Lane, count: int) -> Lane:
        """Shift left by a literal count below the width."""
        return self.binary("shl", x, self.constant_like(x, count))

    def lshr(self, x: Lane, count: int) -> Lane:
        """Logical shift right by a literal count below the width."""
        return self.binary("lshr", x, self.constant_like(x, count))

    def ashr(self, x: Lane, count: int) -> Lane:
        """Arithmetic shift right by a literal count below the width."""
        return self.binary("ashr", x, self.constant_like(x, count))

    def shift_left(self, x: Lane, count: Lane) -> Lane:
        """x << count; 0 once count reaches the width (or is negative)."""
        return self._shift("shl", x, count)

    def shift_right(self, x: Lane, count: Lane) -> Lane:
        """x >> count: signed shifts in copies of the sign, unsigned zeros, however large count."""
        return self._shift("ashr" if x.is_signed else "lshr", x, count)

    def _shift(self, instruction: str, x: Lane, count: Lane) -> Lane:
        x, count = self.same_width(x, count)
        last = self.constant_like(x, bits_of(x.dtype) - 1)
        inside = self.compare("icmp ule", count, last)
        bounded = self.select(inside, count, last)
        shifted = self.binary(instruction, x, bounded)
        if instruction == "ashr":
            return shifted
        return self.select(inside, shifted, self.constant_like(x, 0))

    def popcount(self, x: Lane) -> Lane:
        """The number of set bits, in the dtype of x."""
        return x if x.dtype == "bool" else self._named("ctpop", x)

    # --- comparison ----------------------------------------------------------------------------

    def compare(self, instruction: str, a: Lane, b: Lane) -> Lane:
        """One LLVM comparison: `fcmp olt`, `icmp ule` ..."""
        a, b = self.same_width(a, b)
        return Lane(self.emit(f"{instruction} {a.typed}, {b.name}"), "bool", a.width)

    def _ordered(self, name: str, a: Lane, b: Lane) -> Lane:
        if a.is_float:
            return self.compare(f"fcmp o{name}", a, b)
        return self.compare(f"icmp {'s' if a.is_signed else 'u'}{name}", a, b)

    def equal(self, a: Lane, b: Lane) -> Lane:
        return self.compare("fcmp oeq" if a.is_float else "icmp eq", a, b)

    def not_equal(self, a: Lane, b: Lane) -> Lane:
        return self.compare("fcmp une" if a.is_float else "icmp ne", a, b)

    def less(self, a: Lane, b: Lane) -> Lane:
        return self._ordered("lt", a, b)

    def less_equal(self, a: Lane, b: Lane) -> Lane:
        return self._ordered("le", a, b)

    def greater(self, a: Lane, b: Lane) -> Lane:
        return self._ordered("gt", a, b)

    def greater_equal(self, a: Lane, b: Lane) -> Lane:
        return self._ordered("ge", a, b)

    def is_nan(self, x: Lane) -> Lane:
        if not x.is_float:
            return self.constant(False, "bool", x.width)
        return self.compare("fcmp uno", x, x)

    def is_inf(self, x: Lane) -> Lane:
        if not x.is_float:
            return self.constant(False, "bool", x.width)
        return self.equal(self.abs(x), self.constant_like(x, np.inf))

    def is_finite(self, x: Lane) -> Lane:
        if not x.is_float:
            return self.constant(True, "bool", x.width)
        return self.less(self.abs(x), self.constant_like(x, np.inf))

    def sign_bit(self, x: Lane) -> Lane:
        """True for negative values, -0.0 and negative NaN included."""
        bits = self.to_bits(x) if x.is_float else x
        if bits.dtype in ("bool", *UNSIGNED):
            return self.constant(False, "bool", x.width)
        return self.less(bits, self.constant_like(bits, 0))

    def select(self, condition: Lane, a: Lane, b: Lane) -> Lane:
        """a where condition, else b."""
        width = max(condition.width, a.width, b.width)
        condition, a, b = (self.broadcast(v, width) for v in (condition, a, b))
        text = f"select {condition.typed}, {a.typed}, {b.typed}"
        return Lane(self.emit(text), a.dtype, width)

    # --- conversion ----------------------------------------------------------------------------

    def convert(self, instruction: str, x: Lane, dtype: str) -> Lane:
        """One LLVM conversion instruction: `zext`, `fptosi`, `bitcast` ..."""
        text = f"{instruction} {x.typed} to {llvm_type(dtype, x.width)}"
        return Lane(self.emit(text), dtype, x.width)

    def widen_half(self, x: Lane) -> Lane:
        """f16 to f32 by the machine's instruction."""
        half = "half" if x.width == 1 else f"<{x.width} x half>"
        bits = self.emit(f"bitcast {x.typed} to {half}")
        wide = self.emit(f"fpext {half} {bits} to {llvm_type('f32', x.width)}")
        return Lane(wide, "f32", x.width)

    def narrow_half(self, x: Lane) -> Lane:
        """f32 to f16 by the machine's instruction."""
        half = "half" if x.width == 1 else f"<{x.width} x half>"
        narrow = self.emit(f"fptrunc {x.typed} to {half}")
        bits = self.emit(f"bitcast {half} {narrow} to {llvm_type('f16', x.width)}")
        return Lane(bits, "f16", x.width)

    def bitcast(self, x: Lane, dtype: str) -> Lane:
        """The same bits under another dtype of the same size."""
        if llvm_type(x.dtype) == llvm_type(dtype):
            return Lane(x.name, dtype, x.width)
        return self.convert("bitcast", x, dtype)

    def reread(self, x: Lane, dtype: str) -> Lane:
        """The same bits as lanes of another size: twice as many of half the size, and so on."""
        width = x.width * bits_of(x.dtype) // bits_of(dtype)
        text = f"bitcast {x.typed} to {llvm_type(dtype, width)}"
        return Lane(self.emit(text), dtype, width)

    def to_bits(self, x: Lane) -> Lane:
        """The bit pattern of a float as a signed integer of its size."""
        return self.bitcast(x, f"i{bits_of(x.dtype)}")

    def to_int(self, x: Lane) -> Lane:
        """A float known to be in range as a signed integer of its size (truncates; unguarded)."""
        return self.convert("fptosi", x, f"i{bits_of(x.dtype)}")

    def to_float(self, x: Lane) -> Lane:
        """A signed integer as a float of its size."""
        return self.convert("sitofp", x, f"f{bits_of(x.dtype)}")

    def any(self, mask: Lane) -> Lane:
        """Whether a lane of a mask is true."""
        if mask.width == 1:
            return mask
        bits = self.emit(f"bitcast {mask.typed} to i{mask.width}")
        return Lane(self.emit(f"icmp ne i{mask.width} {bits}, 0"), "bool")

    # --- across lanes --------------------------------------------------------------------------

    def reduce(self, op: str, x: Lane) -> Lane:
        """Combine all lanes of `x` into a scalar, pairing halves: ((0+4)+(2+6)) + ((1+5)+(3+7))."""
        tail = None
        while x.width > 1:
            half = x.width // 2
            if x.width % 2:
                last = self.extract(x, x.width - 1)
                tail = last if tail is None else self.apply(op, [tail, last], x.dtype)
            low = self.shuffle(x, list(range(half)))
            high = self.shuffle(x, list(range(half, 2 * half)))
            x = self.apply(op, [low, high], x.dtype)
        return x if tail is None else self.apply(op, [x, tail], x.dtype)

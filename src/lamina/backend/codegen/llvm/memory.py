"""Loads and stores: from an offset, affine in the loop variables, to an LLVM access."""

from __future__ import annotations

from dataclasses import dataclass, field

from .lanes import Lane, Lanes, bits_of, llvm_type
from .writer import Writer, memory_type, pointer_lanes


@dataclass(frozen=True)
class VectorVariable:
    """The variable of a vector loop: lane l holds base + shift + l * step."""

    base: Lane | None
    shift: int
    step: int
    width: int


@dataclass
class Offset:
    """constant + sum of factor * scalar + stride * lane number (+ per-lane parts)."""

    constant: int = 0
    terms: dict[str, tuple[int, Lane]] = field(default_factory=dict)
    stride: int = 0  # of the vector variable, times its step

    def add_term(self, value: Lane, factor: int) -> None:
        """Adds factor * value."""
        total = self.terms.get(value.name, (0, value))[0] + factor
        self.terms[value.name] = (total, value)

    def add(self, other: Offset, factor: int) -> None:
        """Adds factor * other."""
        self.constant += other.constant * factor
        self.stride += other.stride * factor
        for total, value in other.terms.values():
            self.add_term(value, total * factor)

    @property
    def is_uniform(self) -> bool:
        return self.stride == 0 and not self.per_lane

    @property
    def per_lane(self) -> list[tuple[int, Lane]]:
        """The terms that differ from lane to lane in no regular way."""
        return [(f, v) for f, v in self.terms.values() if v.width > 1 and f]

    @property
    def scalars(self) -> list[tuple[int, Lane]]:
        """The terms that all lanes share."""
        return [(f, v) for f, v in self.terms.values() if v.width == 1 and f]


@dataclass(frozen=True)
class Buffer:
    """Memory the kernel touches. `group` names the memory for alias analysis."""

    name: str
    dtype: str
    pointer: str
    size: int
    group: str
    constant: bool = False  # nothing in the kernel writes it
    space: str = "param"
    tag: str = ""  # `!alias.scope` and `!noalias`


class Memory:
    """Emits accesses to buffers."""

    def __init__(self, writer: Writer, lanes: Lanes) -> None:
        self.w, self.s = writer, lanes
        self._nothing: str | None = None

    # --- addresses -----------------------------------------------------------------------------

    def address(self, buffer: Buffer, offset: Offset) -> str:
        """The address of `buffer[offset]` (of lane 0 when it has a stride)."""
        w = self.w
        element = memory_type(buffer.dtype)
        pointer = buffer.pointer
        by_depth: dict[int, Lane] = {}
        for factor, value in offset.scalars:
            depth = w.depth_of(value.name)
            scaled = self._scaled(value, factor)
            known = by_depth.get(depth)
            by_depth[depth] = scaled if known is None else self.s.add(known, scaled)
        for depth in sorted(by_depth):
            pointer = w.pure(f"getelementptr {element}, ptr {pointer}, i64 {by_depth[depth].name}")
        if offset.constant:
            pointer = w.pure(f"getelementptr {element}, ptr {pointer}, i64 {offset.constant}")
        return pointer

    def addresses(self, buffer: Buffer, offset: Offset, width: int) -> str:
        """One address for each lane."""
        s = self.s
        index: Lane | None = None
        parts = offset.per_lane
        if offset.stride:
            parts = [(offset.stride, self.numbers(width)), *parts]
        for factor, value in parts:
            scaled = self._scaled(value, factor)
            index = scaled if index is None else s.add(index, scaled)
        assert index is not None
        uniform = Offset(offset.constant, {v.name: (f, v) for f, v in offset.scalars})
        pointer = self.address(buffer, uniform)
        element = memory_type(buffer.dtype)
        kind = pointer_lanes(width)
        return self.w.pure(f"getelementptr {element}, ptr {pointer}, {index.typed}") + f" {kind}"

    def numbers(self, width: int) -> Lane:
        """0, 1, 2, ... as i64."""
        text = ", ".join(f"i64 {i}" for i in range(width))
        return Lane(f"<{text}>", "i64", width)

    def _scaled(self, value: Lane, factor: int) -> Lane:
        if factor == 1:
            return value
        return self.s.multiply(value, self.s.constant(factor, "i64", value.width))

    # --- loads ---------------------------------------------------------------------------------

    def load(self, buffer: Buffer, offset: Offset, width: int, mask: Lane | None) -> Lane:
        """`buffer[offset]` in `width` lanes; zero where the mask is false."""
        if offset.is_uniform and (mask is None or mask.width == 1):
            return self._scalar_load(buffer, offset, mask)
        if mask is not None:
            mask = self.s.broadcast(mask, width)
            if offset.is_uniform:
                value = self._scalar_load(buffer, offset, self.s.reduce("or", mask))
                return self.s.select(mask, value, self.s.constant(0, buffer.dtype))
        kind = memory_type(buffer.dtype, width)
        suffix = _suffix(buffer.dtype, width)
        align = _align(buffer.dtype)
        if abs(offset.stride) == 1 and not offset.per_lane:
            backwards = offset.stride == -1
            if backwards:
                offset = Offset(offset.constant - (width - 1), offset.terms)
                mask = None if mask is None else self._reversed(mask)
            pointer = self.address(buffer, offset)
            if mask is None:
                text = f"load {kind}, ptr {pointer}, align {align}"
            else:
                self.w.declare(
                    f"declare {kind} @llvm.masked.load.{suffix}.p0(ptr, <{width} x i1>, {kind})"
                )
                text = (
                    f"call {kind} @llvm.masked.load.{suffix}.p0(ptr align {align} {pointer}, "
                    f"{mask.typed}, {kind} zeroinitializer)"
                )
            value = self._read(buffer, text, width)
            return self._reversed(value) if backwards else value
        mask = mask or self.s.constant(True, "bool", width)
        addresses, pointers = self.addresses(buffer, offset, width).split(" ", 1)
        self.w.declare(
            f"declare {kind} @llvm.masked.gather.{suffix}.v{width}p0"
            f"({pointers}, <{width} x i1>, {kind})"
        )
        text = (
            f"call {kind} @llvm.masked.gather.{suffix}.v{width}p0({pointers} align {align} "
            f"{addresses}, {mask.typed}, {kind} zeroinitializer)"
        )
        return self._read(buffer, text, width)

    def _scalar_load(self, buffer: Buffer, offset: Offset, mask: Lane | None) -> Lane:
        pointer = self.address(buffer, offset)
        if mask is None:
            kind = memory_type(buffer.dtype)
            return self._read(
                buffer, f"load {kind}, ptr {pointer}, align {_align(buffer.dtype)}", 1
            )
        if self._nothing is None:
            self._nothing = self.w.stack("i64", 8)
            self.w.allocas.append(f"  store i64 0, ptr {self._nothing}, align 8")
        pointer = self.w.pure(f"select {mask.typed}, ptr {pointer}, ptr {self._nothing}")
        text = f"load {memory_type(buffer.dtype)}, ptr {pointer}, align {_align(buffer.dtype)}"
        return self._read(buffer, text, 1, tagged=False)

    def _read(self, buffer: Buffer, text: str, width: int, tagged: bool = True) -> Lane:
        w = self.w
        depth = w.read_depth(buffer.group, w.depth_of(text))
        known = w.scopes[depth].reads.get((buffer.group, text))
        if known is not None:
            return known
        value = Lane(w.at(depth, text + (buffer.tag if tagged else "")), buffer.dtype, width)
        if buffer.dtype == "bool":
            zero = self.s.constant(0, "u8", width).name
            value = Lane(w.pure(f"icmp ne {memory_type('bool', width)} {value.name}, {zero}"),
                         "bool", width)  # fmt: skip
        w.scopes[depth].reads[buffer.group, text] = value
        return value

    def _reversed(self, value: Lane) -> Lane:
        return self.s.shuffle(value, list(range(value.width - 1, -1, -1)))

    # --- stores --------------------------------------------------------------------------------

    def store(
        self, buffer: Buffer, offset: Offset, value: Lane, width: int, mask: Lane | None,
        streaming: int = 0,
    ) -> None:  # fmt: skip
        """`buffer[offset] = value` where the mask is true.

        `streaming` is the alignment in bytes that allows whole vectors to bypass the caches.
        """
        if offset.is_uniform and value.width == 1 and (mask is None or mask.width == 1):
            self._scalar_store(buffer, offset, value, mask)
            return
        value = self._stored(self.s.broadcast(value, width))
        if mask is not None:
            mask = self.s.broadcast(mask, width)
        if abs(offset.stride) == 1 and not offset.per_lane:
            self._vector_store(buffer, offset, value, mask, streaming)
        else:
            self._scatter(buffer, offset, value, mask)
        self.w.changed(buffer.group)

    def _scalar_store(self, buffer: Buffer, offset: Offset, value: Lane, mask: Lane | None) -> None:
        if mask is not None:
            with self.w.when(mask, {buffer.group}):
                self._scalar_store(buffer, offset, value, None)
            return
        pointer = self.address(buffer, offset)
        value = self._stored(value)
        align = _align(buffer.dtype)
        self.w.do(f"store {value.typed}, ptr {pointer}, align {align}{buffer.tag}")
        self.w.changed(buffer.group)

    def _vector_store(
        self, buffer: Buffer, offset: Offset, value: Lane, mask: Lane | None, streaming: int
    ) -> None:
        width, align = value.width, _align(buffer.dtype)
        if offset.stride == -1:
            offset = Offset(offset.constant - (width - 1), offset.terms)
            value = self._reversed(value)
            mask = None if mask is None else self._reversed(mask)
        pointer = self.address(buffer, offset)
        if mask is None:
            hint = ""
            if streaming and width * bits_of(value.dtype) // 8 >= streaming:
                align, hint = streaming, ", !nontemporal !99"
            self.w.do(f"store {value.typed}, ptr {pointer}, align {align}{hint}{buffer.tag}")
            return
        suffix = _suffix(buffer.dtype, width)
        self.w.declare(
            f"declare void @llvm.masked.store.{suffix}.p0({value.type}, ptr, <{width} x i1>)"
        )
        self.w.do(
            f"call void @llvm.masked.store.{suffix}.p0({value.typed}, ptr align {align} "
            f"{pointer}, {mask.typed}){buffer.tag}"
        )

    def _scatter(self, buffer: Buffer, offset: Offset, value: Lane, mask: Lane | None) -> None:
        width, align = value.width, _align(buffer.dtype)
        mask = mask or self.s.constant(True, "bool", width)
        if offset.is_uniform:
            offset.add_term(self.s.constant(0, "i64", width), 1)
        addresses, pointers = self.addresses(buffer, offset, width).split(" ", 1)
        suffix = _suffix(buffer.dtype, width)
        self.w.declare(
            f"declare void @llvm.masked.scatter.{suffix}.v{width}p0"
            f"({value.type}, {pointers}, <{width} x i1>)"
        )
        self.w.do(
            f"call void @llvm.masked.scatter.{suffix}.v{width}p0({value.typed}, "
            f"{pointers} align {align} {addresses}, {mask.typed}){buffer.tag}"
        )

    def _stored(self, value: Lane) -> Lane:
        return self.s.convert("zext", value, "u8") if value.dtype == "bool" else value


def _align(dtype: str) -> int:
    return max(bits_of(dtype) // 8, 1)


def _suffix(dtype: str, width: int) -> str:
    scalar = {"float": "f32", "double": "f64"}
    kind = memory_type(dtype)
    return f"v{width}{scalar.get(kind, kind)}"


def zeroed(dtype: str, size: int) -> str:
    """The LLVM array type of a local buffer."""
    return f"[{size} x {llvm_type('u8' if dtype == 'bool' else dtype)}]"

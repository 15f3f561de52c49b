"""Loads and stores: from an offset to LLVM accesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .indices import Indices
from .integers import known_lanes
from .lanes import Lane, Lanes, bits_of, llvm_type
from .offsets import Offset, of_scalar, of_vector, plus
from .spread import MOST_LOADS, MOST_LOADS_SMALL, Spread, cover, owners, spread
from .widths import Machine
from .writer import Writer, memory_type, pointer_lanes


@dataclass(frozen=True)
class Buffer:
    """Memory the kernel touches. `group` names the memory for alias analysis."""

    name: str
    dtype: str
    pointer: str
    group: str
    constant: bool = False  # nothing in the kernel writes it
    space: str = "param"
    tag: str = ""  # `!alias.scope` and `!noalias`


class Memory:
    """Emits accesses to buffers."""

    def __init__(self, writer: Writer, lanes: Lanes, indices: Indices, target: Machine) -> None:
        self.w, self.s, self.indices, self.target = writer, lanes, indices, target
        self._nothing: str | None = None
        self._turned: dict[tuple[str, ...], list[Lane]] = {}  # columns, by the names of their rows

    # --- addresses -----------------------------------------------------------------------------

    def address(self, buffer: Buffer, offset: Offset, beyond: int = 0) -> str:
        """The address of `buffer[offset + beyond]`, without what lanes add."""
        w = self.w
        element = memory_type(buffer.dtype)
        pointer = buffer.pointer
        for part in self.indices.scalars(offset):
            pointer = w.pure(f"getelementptr {element}, ptr {pointer}, i64 {part.name}")
        constant = offset.constant + beyond
        if constant:
            pointer = w.pure(f"getelementptr {element}, ptr {pointer}, i64 {constant}")
        return pointer

    def _addresses(self, buffer: Buffer, offset: Offset, width: int) -> tuple[str, str]:
        """One address for each lane, and their type."""
        small = offset.reach < 1 << 31
        varying = offset if not offset.is_uniform else _standing(width)
        index = self.indices.varying(varying, "i32" if small else "i64")
        pointer = self.address(buffer, offset)
        element = memory_type(buffer.dtype)
        text = f"getelementptr {element}, ptr {pointer}, {index.typed}"
        return self.w.pure(text), pointer_lanes(width)

    # --- loads ---------------------------------------------------------------------------------

    def load(
        self, buffer: Buffer, offset: Offset, width: int, mask: Lane | None,
        near: tuple[int, int] = (0, 0), zeros: bool = True,
    ) -> Lane:  # fmt: skip
        """`buffer[offset]` in `width` lanes where the mask is true.

        Args:
            near: how far before and after each of these lanes memory is read anyway.
            zeros: whether the other lanes have to be zero.
        """
        if offset.is_uniform and (mask is None or mask.width == 1):
            return self._scalar_load(buffer, offset, mask)
        if mask is not None:
            mask = self.s.broadcast(mask, width)
            known = known_lanes(mask)
            if known is not None and all(known):
                mask = None
            elif known is not None and not any(known):
                return self.s.constant(0, buffer.dtype, width)
        if offset.is_uniform:
            return self._same_load(buffer, offset, mask)
        if offset.stride == 1 and (mask is None or self._native_masks(buffer.dtype)):
            return self._read(buffer, self._whole_load(buffer, offset, 0, width, mask), width)
        value = None if offset.vectors else self._spread_load(buffer, offset, mask, near, zeros)
        return self._gather(buffer, offset, width, mask) if value is None else value

    def _scalar_load(self, buffer: Buffer, offset: Offset, mask: Lane | None) -> Lane:
        pointer = self.address(buffer, offset)
        kind, align = memory_type(buffer.dtype), _align(buffer.dtype)
        if mask is None or mask.name == "true":
            return self._read(buffer, f"load {kind}, ptr {pointer}, align {align}", 1)
        if mask.name == "false":
            return self.s.constant(0, buffer.dtype)
        if self._nothing is None:
            self._nothing = self.w.stack("i64", 8)
            self.w.allocas.append(f"  store i64 0, ptr {self._nothing}, align 8")
        pointer = self.w.pure(f"select {mask.typed}, ptr {pointer}, ptr {self._nothing}")
        return self._read(buffer, f"load {kind}, ptr {pointer}, align {align}", 1, tagged=False)

    def _same_load(self, buffer: Buffer, offset: Offset, mask: Lane | None) -> Lane:
        """One element for all lanes, read if any of them is there."""
        if mask is None or known_lanes(mask) is not None:
            value = self._scalar_load(buffer, offset, None)
        else:
            value = self._scalar_load(buffer, offset, self.s.any(mask))
        if mask is None:
            return value
        return self.s.select(mask, value, self.s.constant(0, buffer.dtype))

    def _whole_load(
        self, buffer: Buffer, offset: Offset, beyond: int, size: int, mask: Lane | None
    ) -> str:
        """The load of `size` elements side by side."""
        pointer, align = self.address(buffer, offset, beyond), _align(buffer.dtype)
        kind = memory_type(buffer.dtype, size)
        if mask is None:
            return f"load {kind}, ptr {pointer}, align {align}"
        name = f"@llvm.masked.load.{_suffix(buffer.dtype, size)}.p0"
        self.w.declare(f"declare {kind} {name}(ptr, <{size} x i1>, {kind})")
        return (
            f"call {kind} {name}(ptr align {align} {pointer}, {mask.typed}, {kind} zeroinitializer)"
        )

    def _gather(self, buffer: Buffer, offset: Offset, width: int, mask: Lane | None) -> Lane:
        mask = mask or self.s.constant(True, "bool", width)
        addresses, pointers = self._addresses(buffer, offset, width)
        kind, align = memory_type(buffer.dtype, width), _align(buffer.dtype)
        name = f"@llvm.masked.gather.{_suffix(buffer.dtype, width)}.v{width}p0"
        self.w.declare(f"declare {kind} {name}({pointers}, <{width} x i1>, {kind})")
        text = (
            f"call {kind} {name}({pointers} align {align} {addresses}, {mask.typed}, "
            f"{kind} zeroinitializer)"
        )
        return self._read(buffer, text, width)

    def _read(self, buffer: Buffer, text: str, width: int, tagged: bool = True) -> Lane:
        return self._as_value(buffer, self._bits(buffer, text, width, tagged))

    def _bits(self, buffer: Buffer, text: str, width: int, tagged: bool = True) -> Lane:
        """What an instruction reads, at the outermost place where it reads the same; a bool is a
        byte."""
        w = self.w
        depth = w.read_depth(buffer.group, w.depth_of(text))
        known = w.scopes[depth].reads.get((buffer.group, text))
        if known is None:
            dtype = _in_memory(buffer.dtype)
            known = Lane(w.at(depth, text + (buffer.tag if tagged else "")), dtype, width)
            w.scopes[depth].reads[buffer.group, text] = known
        return known

    def _as_value(self, buffer: Buffer, bits: Lane) -> Lane:
        if buffer.dtype != "bool":
            return bits
        return self.s.not_equal(bits, self.s.constant_like(bits, 0))

    # --- lanes that lie apart ------------------------------------------------------------------

    def _native(self, dtype: str, width: int) -> int:
        """Elements of a vector register, or `width` if they are fewer."""
        return min(max(self.target.lanes(_in_memory(dtype)), 1), width)

    def _native_masks(self, dtype: str) -> bool:
        """Whether masked loads and stores are instructions."""
        if bits_of(_in_memory(dtype)) >= 32:
            return self.s.has("avx")
        return self.s.has("avx512bw")

    def _spread_load(
        self, buffer: Buffer, offset: Offset, mask: Lane | None, near: tuple[int, int], zeros: bool
    ) -> Lane | None:
        """Whole loads and shuffles, a register of lanes at a time; None where those are too
        many."""
        width, live = len(offset.lanes), None
        if mask is not None:
            live = known_lanes(mask)
            if live is None:
                return self._masked_load(buffer, offset, mask)
        live = live or [True] * width
        there = [n for n, exists in zip(offset.lanes, live) if exists]
        window = min(there) + near[0], max(there) + near[1]
        size, masks = self._native(buffer.dtype, width), self._native_masks(buffer.dtype)
        most = MOST_LOADS if bits_of(_in_memory(buffer.dtype)) >= 32 else MOST_LOADS_SMALL
        plans: list[Spread | None] = []
        for at in range(0, width, size):
            part = slice(at, at + size)
            if not any(live[part]):
                plans.append(None)
                continue
            plan = spread(offset.lanes[part], live[part], window, size, masks, most)
            if plan is None:
                return None
            plans.append(plan)
        parts = [
            self.s.constant(0, _in_memory(buffer.dtype), size)
            if plan is None
            else self._shuffled(buffer, offset, plan)
            for plan in plans
        ]
        value = self._as_value(buffer, self.s.join(parts))
        if mask is None or not zeros:
            return value
        return self.s.select(mask, value, self.s.constant(0, buffer.dtype))

    def _shuffled(self, buffer: Buffer, offset: Offset, plan: Spread) -> Lane:
        mask = None
        if plan.count:
            mask = self.s.mask([i < plan.count for i in range(plan.size)])
        loads = [
            self._bits(buffer, self._whole_load(buffer, offset, start, plan.size, mask), plan.size)
            for start in plan.starts
        ]
        if plan.size == 1:
            return self.s.broadcast(loads[0], len(plan.places))
        return self.s.pick(loads, plan.places)

    def _masked_load(self, buffer: Buffer, offset: Offset, mask: Lane) -> Lane | None:
        """The same under a mask that is not known: each element is read where its lane is there."""
        width = len(offset.lanes)
        size = self._native(buffer.dtype, width)
        if not self._native_masks(buffer.dtype) or len(set(offset.lanes)) < width:
            return None
        parts: list[Lane] = []
        for at in range(0, width, size):
            lanes = offset.lanes[at : at + size]
            wanted = {at + i: n for i, n in enumerate(lanes)}
            starts = cover(lanes, size)
            if len(starts) > 2:
                return None
            loads = []
            for start in starts:
                there = self._of_owners(mask, width, owners(wanted, start, size))
                text = self._whole_load(buffer, offset, start, size, there)
                loads.append(self._bits(buffer, text, size))
            places = [
                next((i, n - start) for i, start in enumerate(starts) if 0 <= n - start < size)
                for n in lanes
            ]
            parts.append(self.s.pick(loads, places))
        return self._as_value(buffer, self.s.join(parts))

    def _of_owners(self, mask: Lane | None, width: int, owner: Sequence[int]) -> Lane:
        """For each element the mask of the lane it belongs to, false where it is nobody's."""
        known = [True] * width if mask is None else known_lanes(mask)
        if known is not None or mask is None:
            lanes = known or [True] * width
            return self.s.mask([lane >= 0 and lanes[lane] for lane in owner])
        nobody = self.s.constant(False, "bool", width)
        return self.s.mix(mask, nobody, [width if lane < 0 else lane for lane in owner])

    def prefetch(self, buffer: Buffer, offset: Offset) -> None:
        """Asks for a line in the nearest cache, to be read."""
        self.w.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        pointer = self.address(buffer, offset)
        self.w.do(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 3, i32 1)")

    # --- tiles ---------------------------------------------------------------------------------

    def load_column(
        self, buffer: Buffer, offset: Offset, width: int, columns: tuple[int, int]
    ) -> Lane | None:
        """One of the columns of a tile that has its rows side by side in memory.

        The rows are loaded whole and turned in registers, once for all columns.

        Args:
            columns: which one, and how many of them are read in all.
        """
        column, count = columns
        fits = 4 <= count <= width and not (count & count - 1 or width & width - 1)
        if not fits or not buffer.constant or (offset.lanes and offset.reach < count * (width - 1)):
            return None
        rows = self._rows(buffer, plus(offset, Offset(column), -1), width, count)
        key = tuple(row.name for row in rows)
        if key not in self._turned:
            self._turned[key] = self.s.turn(rows)
        return self._as_value(buffer, self._turned[key][column])

    def _rows(self, buffer: Buffer, offset: Offset, width: int, count: int) -> list[Lane]:
        """For each lane, `count` elements from its offset on."""
        first = Offset(offset.constant, offset.scalars)
        if not offset.vectors:
            starts = [plus(first, Offset(n)) for n in offset.lanes]
        else:
            varying = self.indices.varying(offset, "i64")
            starts = [plus(first, of_scalar(self.s.extract(varying, n))) for n in range(width)]
        kind, align = memory_type(buffer.dtype, count), _align(buffer.dtype)
        texts = [f"load {kind}, ptr {self.address(buffer, x)}, align {align}" for x in starts]
        return [self._bits(buffer, text, count) for text in texts]

    # --- stores --------------------------------------------------------------------------------

    def store(
        self, buffer: Buffer, offset: Offset, value: Lane, width: int, mask: Lane | None,
        streaming: int = 0,
    ) -> None:  # fmt: skip
        """`buffer[offset] = value` where the mask is true.

        `streaming` is the alignment in bytes that allows whole vectors to bypass the caches.
        """
        known = None if mask is None else known_lanes(mask)
        if known is not None and not any(known):
            return
        if known is not None and all(known):
            mask = None
        if offset.is_uniform and value.width == 1 and (mask is None or mask.width == 1):
            self._scalar_store(buffer, offset, value, mask)
            return
        value = self._stored(self.s.broadcast(value, width))
        if mask is not None:
            mask = self.s.broadcast(mask, width)
        whole = offset.stride == 1 and (mask is None or self._native_masks(buffer.dtype))
        if whole or not self._spread_store(buffer, offset, value, mask):
            if offset.stride == 1:
                self._whole_store(buffer, offset, 0, value, mask, streaming)
            else:
                self._scatter(buffer, offset, value, mask)
        self.w.changed(buffer.group)

    def store_pairs(
        self, buffer: Buffer, offset: Offset, values: Sequence[Lane], mask: Lane | None,
        streaming: int = 0,
    ) -> None:  # fmt: skip
        """`buffer[offset], buffer[offset + 1] = values` in lanes that lie two apart."""
        width = values[0].width
        first, second = map(self._stored, values)
        woven = [lane + half for lane in range(width) for half in (0, width)]
        if mask is not None:
            mask = self.s.broadcast(mask, width)
            known = known_lanes(mask)
            twice = [lane for lane in range(width) for _ in range(2)]
            mask = (
                self.s.mask([known[lane] for lane in twice])
                if known is not None
                else self.s.shuffle(mask, twice)
            )
        self._whole_store(buffer, offset, 0, self.s.mix(first, second, woven), mask, streaming)
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

    def _whole_store(
        self, buffer: Buffer, offset: Offset, beyond: int, value: Lane, mask: Lane | None,
        streaming: int = 0,
    ) -> None:  # fmt: skip
        """A store of elements side by side.

        One lane alone is stored as a scalar: LLVM would do so too, but with four bytes where the
        vector of narrow elements has been cut from one of i32.
        """
        known = None if mask is None else known_lanes(mask)
        if known is not None and sum(known) == 1:
            lane = known.index(True)
            value, mask, beyond = self.s.extract(value, lane), None, beyond + lane
        width, align = value.width, _align(buffer.dtype)
        pointer = self.address(buffer, offset, beyond)
        if mask is None:
            hint = ""
            if streaming and width * bits_of(value.dtype) // 8 >= streaming:
                align, hint = streaming, ", !nontemporal !99"
            self.w.do(f"store {value.typed}, ptr {pointer}, align {align}{hint}{buffer.tag}")
            return
        name = f"@llvm.masked.store.{_suffix(buffer.dtype, width)}.p0"
        self.w.declare(f"declare void {name}({value.type}, ptr, <{width} x i1>)")
        self.w.do(
            f"call void {name}({value.typed}, ptr align {align} {pointer}, {mask.typed})"
            f"{buffer.tag}"
        )

    def _spread_store(self, buffer: Buffer, offset: Offset, value: Lane, mask: Lane | None) -> bool:
        """Shuffles and whole stores, under masks where elements between are others' or nobody's.

        False, and nothing written, where scattering is better.
        """
        width = value.width
        live = [True] * width if mask is None else known_lanes(mask)
        known, lanes = live is not None, offset.lanes
        live = live or [True] * width
        if offset.vectors or not lanes or len(set(lanes)) < width:
            return False
        size = self._native(buffer.dtype, width)
        cells: list[tuple[int, list[int]]] = []
        for at in range(0, width, size):
            wanted = {i: lanes[i] for i in range(at, at + size) if live[i]}
            starts = cover(list(wanted.values()), size)
            cells += [(start, owners(wanted, start, size)) for start in starts]
            runs = all(_run(owner) for _, owner in cells)
            if len(starts) > MOST_LOADS or not (self.s.has("avx512bw") or (known and runs)):
                return False
        for start, owner in cells:
            if known and _run(owner) and not self._native_masks(buffer.dtype):
                self._run_store(buffer, offset, start, value, owner)
                continue
            there = None if known and min(owner) >= 0 else self._of_owners(mask, width, owner)
            self._whole_store(buffer, offset, start, self.s.shuffle(value, owner), there)
        return True

    def _run_store(
        self, buffer: Buffer, offset: Offset, start: int, value: Lane, owner: list[int]
    ) -> None:
        """Elements without a gap, in at most two stores of a power of two of them."""
        first = next(i for i, lane in enumerate(owner) if lane >= 0)
        count = sum(lane >= 0 for lane in owner)
        size = 1 << count.bit_length() - 1
        for at in sorted({first, first + count - size}):
            part = self.s.shuffle(value, owner[at : at + size])
            self._whole_store(buffer, offset, start + at, part, None)

    def _scatter(self, buffer: Buffer, offset: Offset, value: Lane, mask: Lane | None) -> None:
        width, align = value.width, _align(buffer.dtype)
        mask = mask or self.s.constant(True, "bool", width)
        addresses, pointers = self._addresses(buffer, offset, width)
        name = f"@llvm.masked.scatter.{_suffix(buffer.dtype, width)}.v{width}p0"
        self.w.declare(f"declare void {name}({value.type}, {pointers}, <{width} x i1>)")
        self.w.do(
            f"call void {name}({value.typed}, {pointers} align {align} {addresses}, {mask.typed})"
            f"{buffer.tag}"
        )

    def _stored(self, value: Lane) -> Lane:
        return self.s.convert("zext", value, "u8") if value.dtype == "bool" else value


def _run(owner: Sequence[int]) -> bool:
    """Whether the elements that are somebody's lie without a gap."""
    there = [i for i, lane in enumerate(owner) if lane >= 0]
    return bool(there) and there[-1] - there[0] + 1 == len(there)


def _standing(width: int) -> Offset:
    """Lanes that add nothing, as a vector."""
    return of_vector(Lane("zeroinitializer", "i64", width), 0)


def _in_memory(dtype: str) -> str:
    return "u8" if dtype == "bool" else dtype


def _align(dtype: str) -> int:
    return max(bits_of(dtype) // 8, 1)


def _suffix(dtype: str, width: int) -> str:
    scalar = {"float": "f32", "double": "f64"}
    kind = memory_type(dtype)
    return f"v{width}{scalar.get(kind, kind)}"


def zeroed(dtype: str, size: int) -> str:
    """The LLVM array type of a local buffer."""
    return f"[{size} x {llvm_type('u8' if dtype == 'bool' else dtype)}]"
